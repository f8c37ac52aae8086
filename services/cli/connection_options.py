"""The options of every command that calls services which run already."""

import functools
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, get_type_hints

import typer

from services.cli.settings import CliSettings
from services.core.errors import UserInputError
from services.rpc.client_security import ClientSecurity

# Of gRPC's name resolvers those that a person may want. Source: gRPC's doc/naming.md.
_TARGET_SCHEMES = frozenset({"dns", "ipv4", "ipv6", "unix", "unix-abstract", "vsock", "xds"})
_HOST_AND_PORT = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.%A-Za-z]+\]):(?P<port>[0-9]{1,5})")
_MAX_PORT = 65535
_MAX_SHOWN_CHARS = 80


@dataclass(frozen=True, slots=True)
class Connection:
    """How a command line says that services are to be called.

    What it leaves open comes from the environment.
    """

    tls: Annotated[
        bool, typer.Option("--tls", help="Call by TLS, trusting the well-known authorities.")
    ] = False
    tls_ca: Annotated[
        Path | None,
        typer.Option("--tls-ca", help="Call by TLS, trusting this PEM file's authorities."),
    ] = None
    tls_certificate: Annotated[
        Path | None,
        typer.Option("--tls-certificate", help="Own certificate, where services ask for one; PEM."),
    ] = None
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its private key; PEM.")] = None
    tls_server_name: Annotated[
        str,
        typer.Option(
            "--tls-server-name", help="Name in the services' certificates, if not theirs."
        ),
    ] = ""
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="File with the token to send with every call."),
    ] = None

    def given(self) -> dict[str, object]:
        """The options by name, with what the command line says of them."""
        return {f"--{one.name.replace('_', '-')}": getattr(self, one.name) for one in fields(self)}

    def security(self, settings: CliSettings, **addresses: str) -> ClientSecurity:
        """Reads every file once, and checks where the services are said to be.

        Args:
            settings: What the environment says.
            addresses: The services' addresses, by the names of their options.

        Raises:
            UserInputError: Options do not go together, or a file or an address is wrong.
        """
        for name, address in addresses.items():
            check_address(f"--{name}", address)
        security = ClientSecurity(
            tls=self.tls or settings.tls,
            tls_ca_file=self.tls_ca or settings.tls_ca_file,
            tls_certificate_file=self.tls_certificate or settings.tls_certificate_file,
            tls_key_file=self.tls_key or settings.tls_key_file,
            tls_server_name=self.tls_server_name or settings.tls_server_name,
            token_file=self.token_file or settings.token_file,
        )
        security.check()
        _note_clear_token(security, *addresses.values())
        return security


def with_connection_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options to a command, whose argument ``connection`` is what they say."""
    own = [
        parameter
        for parameter in inspect.signature(command).parameters.values()
        if parameter.name != "connection"
    ]
    hints = get_type_hints(Connection, include_extras=True)
    added = [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=one.default,
            annotation=hints[one.name],
        )
        for one in fields(Connection)
    ]

    @functools.wraps(command)
    def called(**options: object) -> None:
        given = {one.name: options.pop(one.name) for one in fields(Connection)}
        command(**options, connection=Connection(**given))  # type: ignore[arg-type]

    # What typer reads instead of the wrapped command's own.
    called.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in (*own, *added)}
    return called


def check_address(option: str, address: str) -> None:
    """Checks where a service is said to be, before anything is asked of it.

    Args:
        option: What names it.
        address: ``host:port``, or another target of gRPC's, such as ``dns:///host:port``.

    Raises:
        UserInputError: It is neither.
    """
    scheme, colon, rest = address.partition(":")
    if colon and scheme in _TARGET_SCHEMES and rest.strip("/") and rest.isprintable():
        return
    found = _HOST_AND_PORT.fullmatch(address)
    if found is None or not 1 <= int(found["port"]) <= _MAX_PORT:
        raise UserInputError(
            f"{option}: must be HOST:PORT, such as 127.0.0.1:50051, or a gRPC target, such as "
            f"dns:///HOST:PORT; is {address[:_MAX_SHOWN_CHARS]!r}"
        )


def _note_clear_token(security: ClientSecurity, *addresses: str) -> None:
    """Says once, on standard error, that a token is sent where others may read it."""
    clear = [address for address in addresses if security.sends_token_in_the_clear(address)]
    if clear:
        print(
            f"expart: note: the token is sent to {' and '.join(clear)} without TLS; whoever is in "
            "between can read it (--tls or --tls-ca encrypts)",
            file=sys.stderr,
        )
