"""A terminal that is closed under a sweep, as when a connection to a machine is lost."""

import asyncio
import os
import pty
import sys
from pathlib import Path

from services.sweep.progress.status import DriverState, read_statuses
from services.sweep.results.store import ResultStore
from tests.integration.stored_results import count_rows
from tests.integration.sweep_dataset import write_dataset
from tests.integration.sweep_driver import write_spec
from tests.integration.sweep_services import ScriptedGeneration, ScriptedScoring, serving

QUESTIONS = 10
SOON_S = 120.0

# Makes the terminal on its standard input its own, so that the terminal's end is its hang-up.
ON_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "services.cli", *sys.argv[1:]])
"""


class Terminal:
    """A terminal; what is shown on it is read, so that nobody has to wait for that."""

    def __init__(self) -> None:
        self._reading, self.number = pty.openpty()
        self.shown = b""
        asyncio.get_running_loop().add_reader(self._reading, self._read)

    def close(self) -> None:
        """Is gone, with all who show something on it."""
        asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)

    def _read(self) -> None:
        self.shown += os.read(self._reading, 4096)


async def test_what_is_in_flight_when_the_terminal_is_closed_is_stored(tmp_path: Path) -> None:
    write_dataset(tmp_path / "dataset", QUESTIONS)
    spec = write_spec(tmp_path, ["alpha"], tmp_path / "dataset", concurrency=QUESTIONS)
    # Long enough for the display to be drawn, in vain, before the first answer is there.
    generation = ScriptedGeneration({"alpha": "r1"}, delay_s=2.0)
    async with serving(generation, ScriptedScoring()) as (generating, scoring):
        terminal = Terminal()
        driver = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ON_A_TERMINAL, "sweep", "run", str(spec)),
            *("--generation", generating, "--scoring", scoring),
            stdin=terminal.number,
            stdout=terminal.number,
            stderr=terminal.number,
            env={**os.environ, "EXPART_CLI_LOG_FOLDER": str(tmp_path / "log")},
        )
        os.close(terminal.number)
        try:
            async with asyncio.timeout(SOON_S):
                while len(generation.asked) < QUESTIONS:
                    assert driver.returncode is None, terminal.shown.decode()
                    await asyncio.sleep(0.05)
                terminal.close()
                await driver.wait()
        finally:
            if driver.returncode is None:
                driver.kill()
                await driver.wait()
    assert count_rows(tmp_path / "results", "generations") == QUESTIONS
    [status] = read_statuses(ResultStore(tmp_path / "results"))
    assert status.state is DriverState.STOPPED
