"""What the command line takes from the environment."""

import os
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from services.core.heap import return_large_blocks
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


# Left alone they keep what a commit or a compaction took for a moment: some 100 MB each.
_ALLOCATORS = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0,narenas:2",  # deltalake's jemalloc
}


def return_freed_memory(*, large_blocks: bool) -> None:
    """Has this process give memory back as soon as it is free, unless the user said otherwise.

    The libraries look when they are first imported. A sweep's driver lives for hours beside others,
    and what it no longer needs is theirs.

    Args:
        large_blocks: Whether to return those at once, too. Whoever takes them again and again pays
            for it: the machine clears them each time.
    """
    for name, value in _ALLOCATORS.items():
        os.environ.setdefault(name, value)  # noqa: TID251 - this module may
    if large_blocks:
        return_large_blocks()


def compute_on_one_thread() -> None:
    """Keeps numpy's products of matrices to one thread each, unless the user said otherwise.

    OpenBLAS's threads wait for each other by spinning: where the processors are not all free, as in
    a container that may use a part of them, a product takes several times as long with two threads
    as with one.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # noqa: TID251 - this module may


def quieten_grpc() -> None:
    """Keeps gRPC's own log lines from the terminal, unless the user asked for them.

    What they report reaches the user as an error in words of ours.
    """
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # noqa: TID251 - this module may
