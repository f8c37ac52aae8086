"""The scoring service as a child process of the local stack."""

import ctypes
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.cli.settings import child_environment
from services.generation.local import LocalStackError
from services.rpc.settings import SECURITY_SETTINGS

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
_WITHOUT_SECURITY = {f"EXPART_SCORING_{name.upper()}": "" for name in SECURITY_SETTINGS}
_PR_SET_PDEATHSIG = 1  # from Linux's <linux/prctl.h>


@dataclass(frozen=True, slots=True)
class ScoringProcess:
    """The running service.

    Attributes:
        address: Where it listens.
        log_path: Where its log goes.
        process: The child process.
    """

    address: str
    log_path: Path
    process: subprocess.Popen[bytes]


@contextmanager
def scoring_process(log_folder: Path, *, plaintext: bool = False) -> Iterator[ScoringProcess]:
    """Runs the scoring service on a free loopback port for as long as the context lasts.

    Args:
        log_folder: Where its log goes, as ``scoring.log``.
        plaintext: Leaves certificates and tokens out that the environment names.

    Yields:
        The running service.

    Raises:
        LocalStackError: It did not start; the message names the log.
    """
    log_folder.mkdir(parents=True, exist_ok=True)
    log_path = log_folder / "scoring.log"
    with tempfile.TemporaryDirectory() as scratch, log_path.open("w") as log:
        address_file = Path(scratch) / "address"
        process = subprocess.Popen(
            [sys.executable, "-m", "services.scoring"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=child_environment(
                EXPART_SCORING_ADDRESS="127.0.0.1:0",
                EXPART_SCORING_ADDRESS_FILE=str(address_file),
                **(_WITHOUT_SECURITY if plaintext else {}),
            ),
            # Ctrl-C is for the command; it stops the service when its own work is saved.
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - no threads of ours run yet
        )
        try:
            address = _wait_for_address(process, address_file, log_path)
            yield ScoringProcess(address, log_path, process)
        finally:
            _stop(process)


def _end_with_parent() -> None:
    """Has Linux end the child when the command is killed without a chance to clean up."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_for_address(process: subprocess.Popen[bytes], address_file: Path, log_path: Path) -> str:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if address_file.exists():
            return address_file.read_text(encoding="utf-8").strip()
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise LocalStackError(f"the scoring service did not start; see {log_path}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
