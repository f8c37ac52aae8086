"""The options of every command that calls services which run already."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from services.cli.settings import CliSettings
from services.core.errors import UserInputError
from services.rpc.client_security import ClientSecurity

# Of gRPC's name resolvers those that a person may want. Source: gRPC's doc/naming.md.
_TARGET_SCHEMES = frozenset({"dns", "ipv4", "ipv6", "unix", "unix-abstract", "vsock", "xds"})
_HOST_AND_PORT = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.%A-Za-z]+\]):(?P<port>[0-9]{1,5})")
_MAX_PORT = 65535
_MAX_SHOWN_CHARS = 80

Tls = Annotated[
    bool, typer.Option("--tls", help="Call by TLS, trusting the well-known authorities.")
]
TlsCa = Annotated[
    Path | None,
    typer.Option("--tls-ca", help="Call by TLS, trusting this PEM file's authorities."),
]
TlsCertificate = Annotated[
    Path | None,
    typer.Option("--tls-certificate", help="Own certificate, where services ask for one; PEM."),
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="Its private key; PEM.")]
TlsServerName = Annotated[
    str,
    typer.Option("--tls-server-name", help="Name in the services' certificates, if not theirs."),
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="File with the token to send with every call.")
]


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


def client_security(
    settings: CliSettings,
    *,
    tls: bool,
    tls_ca: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    tls_server_name: str,
    token_file: Path | None,
) -> ClientSecurity:
    """Puts the options together, each by default from the environment, and reads every file once.

    Raises:
        UserInputError: Options do not go together, or a file is wrong.
    """
    security = ClientSecurity(
        tls=tls or settings.tls,
        tls_ca_file=tls_ca or settings.tls_ca_file,
        tls_certificate_file=tls_certificate or settings.tls_certificate_file,
        tls_key_file=tls_key or settings.tls_key_file,
        tls_server_name=tls_server_name or settings.tls_server_name,
        token_file=token_file or settings.token_file,
    )
    security.check()
    return security


def note_clear_token(security: ClientSecurity, *addresses: str) -> None:
    """Says once, on standard error, that a token is sent where others may read it."""
    clear = [address for address in addresses if security.sends_token_in_the_clear(address)]
    if clear:
        print(
            f"expart: note: the token is sent to {' and '.join(clear)} without TLS; whoever is in "
            "between can read it (--tls or --tls-ca encrypts)",
            file=sys.stderr,
        )
