"""What starts the commands of tests signals none but those, and leaves none behind."""

import os
import signal
from pathlib import Path

from services.core.errors import ModelLoadingError
from tests.contract.scoring_server import is_running, wait_until
from tests.integration.expart_host import Expart, ExpartHost, expart_host
from tests.integration.sweep_dataset import write_dataset
from tests.integration.sweep_driver import SweepCommand, write_spec
from tests.integration.sweep_services import Fault, ScriptedGeneration, ScriptedScoring, serving


def until_gone(pid: int) -> None:
    wait_until(lambda: not is_running(pid), "it runs on")


async def test_a_signal_that_comes_too_late_meets_nobody(
    tmp_path: Path, drivers: ExpartHost
) -> None:
    command = Expart(["--help"], os.environ, tmp_path / "out", tmp_path / "err")
    process = await drivers.start(command)
    until_gone(process.pid)
    process.send(signal.SIGKILL)
    assert await process.ended() == 0
    process.send(signal.SIGKILL)
    assert await (await drivers.start(command)).ended() == 0


async def test_what_is_started_ends_with_the_tests_however_they_end(tmp_path: Path) -> None:
    loading = Fault(ModelLoadingError("alpha is being loaded"))
    generation = ScriptedGeneration({"alpha": "r1"}, fault=lambda request, attempt: loading)
    write_dataset(tmp_path / "dataset", 10)
    spec = write_spec(tmp_path, ["alpha"], tmp_path / "dataset")
    async with serving(generation, ScriptedScoring()) as (generating, scoring):
        with expart_host() as host:
            driver = await SweepCommand(host, spec, generating, scoring).start()
            assert is_running(driver.process.pid)
        until_gone(driver.process.pid)
