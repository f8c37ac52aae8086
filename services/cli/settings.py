"""What the command line takes from the environment."""

import os
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from services.rpc.paths import OptionalFile


class CliSettings(BaseSettings):
    """Defaults of the ``expart`` command, each from a variable with the prefix ``EXPART_CLI_``.

    Attributes:
        log_folder: Where the local stack's services write their logs.
        tls: Whether services that run already are called by TLS.
        tls_ca_file: Authorities to trust, PEM; by default the well-known ones.
        tls_certificate_file: The command's own certificate, PEM.
        tls_key_file: Its private key, PEM.
        tls_server_name: Name in the services' certificates, if it is not their address.
        token_file: File with the token to send with every call.
    """

    model_config = SettingsConfigDict(env_prefix="EXPART_CLI_", frozen=True, extra="forbid")

    log_folder: Path = Path("var/log")
    tls: bool = False
    tls_ca_file: OptionalFile = None
    tls_certificate_file: OptionalFile = None
    tls_key_file: OptionalFile = None
    tls_server_name: str = ""
    token_file: OptionalFile = None


def child_environment(**variables: str) -> dict[str, str]:
    """Gives a child process this process's environment and some variables of its own."""
    return {**os.environ, **variables}  # noqa: TID251 - this module may


def quieten_grpc() -> None:
    """Keeps gRPC's own log lines from the terminal, unless the user asked for them.

    What they report reaches the user as an error in words of ours.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # noqa: TID251 - this module may
