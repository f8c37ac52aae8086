"""Ctrl-C and SIGTERM at any moment of a sweep's driver, which is a process of its own."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from expart.generation.v1 import generation_service_pb2 as pb
from services.core.errors import ModelLoadingError
from services.sweep.progress.status import DriverState, read_statuses
from services.sweep.results.store import ResultStore
from tests.integration.expart_host import ExpartHost
from tests.integration.stored_results import count_rows
from tests.integration.sweep_dataset import write_dataset
from tests.integration.sweep_driver import SweepCommand, SweepDriver, write_spec
from tests.integration.sweep_services import Fault, ScriptedGeneration, ScriptedScoring, serving

QUESTIONS = 10
# Longer than a driver may take that does not wait, shorter than the answers that it must not
# wait for.
SOON_S = 30.0
NEVER_S = 600.0


class AskedGeneration(ScriptedGeneration):
    """Knows when it is asked for its models, and when every question was asked at least once."""

    def __init__(self, delay_s: float = 0.0) -> None:
        super().__init__({"alpha": "r1"}, delay_s=delay_s)
        self.is_loading = False
        self.all_asked = asyncio.Event()
        self.is_listing, self.may_list = asyncio.Event(), asyncio.Event()
        self.may_list.set()
        self.fault = self._choose

    async def ListModels(
        self, request: pb.ListModelsRequest, context: object
    ) -> pb.ListModelsResponse:
        self.is_listing.set()
        await self.may_list.wait()
        return await super().ListModels(request, context)

    def _choose(self, request: pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        del request, attempt
        if len(self.asked) == QUESTIONS:
            self.all_asked.set()
        return Fault(ModelLoadingError("alpha is being loaded")) if self.is_loading else None


@asynccontextmanager
async def prepared(
    folder: Path, drivers: ExpartHost, generation: ScriptedGeneration, **variables: str
) -> AsyncIterator[SweepCommand]:
    """Serves in this process, for a driver in another one."""
    write_dataset(folder / "dataset", QUESTIONS)
    spec = write_spec(folder, ["alpha"], folder / "dataset", concurrency=QUESTIONS)
    async with serving(generation, ScriptedScoring()) as (generating, scoring):
        yield SweepCommand(drivers, spec, generating, scoring, variables=variables)


async def assert_interrupted(driver: SweepDriver) -> None:
    """It ends soon, with the code of Ctrl-C and one line of its own."""
    try:
        assert await driver.ended(within_s=SOON_S) == 130, driver.printed()
    finally:
        await driver.kill()
    assert driver.printed().splitlines()[-1] == "expart: interrupted"
    assert "Traceback" not in driver.printed()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_while_the_sweep_is_planned_ends_it(
    tmp_path: Path, drivers: ExpartHost, number: signal.Signals
) -> None:
    generation = AskedGeneration()
    generation.may_list.clear()
    async with prepared(tmp_path, drivers, generation) as command:
        driver = await command.start()
        await driver.until(generation.is_listing.wait())
        driver.process.send(number)
        await assert_interrupted(driver)
    assert not (tmp_path / "results").exists()


async def test_a_sweep_that_waits_for_its_model_ends_at_the_first_ctrl_c(
    tmp_path: Path, drivers: ExpartHost
) -> None:
    generation = AskedGeneration()
    generation.is_loading = True
    async with prepared(tmp_path, drivers, generation) as command:
        driver = await command.start()
        await driver.until(generation.all_asked.wait())
        driver.interrupt()
        await assert_interrupted(driver)
        # And the next run, once the model is there, asks everything.
        generation.is_loading = False
        await command.run()
    assert count_rows(tmp_path / "results", "generations") == QUESTIONS


async def test_what_is_in_flight_has_so_long_to_end_as_the_environment_says(
    tmp_path: Path, drivers: ExpartHost
) -> None:
    generation = AskedGeneration(delay_s=NEVER_S)
    async with prepared(tmp_path, drivers, generation, EXPART_SWEEP_DRAIN_S="0.5") as command:
        driver = await command.start()
        await driver.until(generation.all_asked.wait())
        driver.terminate()
        await assert_interrupted(driver)
        assert "took longer than 0.5 s: the next run does it" in driver.printed()
        assert f"stopped: 0 of {QUESTIONS} questions are settled" in driver.printed()
        [status] = read_statuses(ResultStore(tmp_path / "results"))
        assert status.state is DriverState.STOPPED
        generation.delay_s = 0
        await command.run()
    assert count_rows(tmp_path / "results", "generations") == QUESTIONS
