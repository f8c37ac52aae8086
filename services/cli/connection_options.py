"""The options of every command that calls services which run already."""

from pathlib import Path
from typing import Annotated

import typer

from services.cli.settings import CliSettings
from services.rpc.client_security import ClientSecurity

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
