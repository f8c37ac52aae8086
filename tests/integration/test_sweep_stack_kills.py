"""Parts of the real stack, and the driver, are killed during a sweep, which ends complete."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import psutil
import pytest

from services.generation.catalog import Catalog, load_catalog
from services.generation.local import start_local
from services.generation.settings import GenerationSettings
from tests.bench.scoring_service import say
from tests.contract.scoring_server import ScoringServer, scoring_server
from tests.integration.counting_relay import CountingRelay, counting_relay
from tests.integration.expart_host import ExpartHost
from tests.integration.fault_stack import PROJECT, Stack, driver_of
from tests.integration.stored_results import assert_exactly_once
from tests.integration.sweep_dataset import questions_of, write_dataset
from tests.integration.sweep_driver import SweepCommand, SweepDriver, write_spec
from tests.unit.generation.builders import scripted_spec

# Its waits have limits of their own, which together are longer than a test may take.
pytestmark = [pytest.mark.slow, pytest.mark.stack, pytest.mark.timeout(1800)]

LLM = "demo-tiny"
SCRIPTED = scripted_spec("scripted", max_model_len=8192, per_token_s=0.02)
MODELS = (LLM, SCRIPTED.name)
QUESTIONS = 60
# Nothing here takes so long; it only keeps a fault of ours from stopping the whole suite.
WITHIN_S = 240.0


@pytest.fixture(scope="module")
def stack(demo_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    known = {spec.name: spec for spec in load_catalog(PROJECT / "deploy/models", demo_models)}
    log_path = tmp_path_factory.mktemp("kills") / "generation.log"
    catalog = Catalog({LLM: known[LLM], SCRIPTED.name: SCRIPTED})
    # It looks often whether all are well, and is patient with a slow machine.
    settings = GenerationSettings(state_interval_s=0.2, health_check_period_s=0.5)
    with (
        start_local(catalog, list(MODELS), log_path=log_path, settings=settings) as local,
        driver_of(local) as driver,
    ):
        yield Stack(local, driver, log_path)


class MortalScoring:
    """A scoring service that can be killed and is started again at the same address."""

    def __init__(self, folder: Path, lives: ExitStack) -> None:
        self._folder = folder
        self._lives = lives
        self._count = 0
        self.now = self._start("127.0.0.1:0")

    def _start(self, address: str) -> ScoringServer:
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir(parents=True)
        return self._lives.enter_context(scoring_server(folder, ADDRESS=address))

    def kill_and_start(self) -> None:
        self.now.process.kill()
        self.now.process.wait()
        self.now = self._start(self.now.address)


class Sweep:
    """A sweep through a relay that counts, whose driver is killed and started again."""

    def __init__(self, command: SweepCommand, relay: CountingRelay) -> None:
        self._command = command
        self._relay = relay
        self._driver: SweepDriver | None = None

    async def start(self) -> None:
        self._relay.caller_is_gone = False
        self._driver = await self._command.start()

    async def kill(self) -> None:
        assert self._driver is not None
        self._relay.note_kill()
        self._relay.caller_is_gone = True
        await self._driver.kill()

    async def end(self) -> None:
        """Waits for the end; what was given up while nothing could answer is asked again."""
        assert self._driver is not None
        code = await self._driver.ended(WITHIN_S)
        if code == 1:
            await self._command.run()
        else:
            assert code == 0, self._driver.printed()[-3000:]

    async def until_answering(self, *models: str) -> None:
        """Waits until each of the models has answered twice more."""
        assert self._driver is not None
        wanted = {model: self._relay.answers[model] + 2 for model in models}
        async with asyncio.timeout(WITHIN_S):
            while any(self._relay.answers[model] < count for model, count in wanted.items()):
                assert not self._driver.has_ended, self._driver.printed()[-3000:]
                await asyncio.sleep(0.02)

    async def kill_part(self, find: Callable[[], psutil.Process]) -> None:
        """Kills a process of the stack, while questions are in flight."""
        assert self._driver is not None
        async with asyncio.timeout(WITHIN_S):
            while not self._relay.in_flight:
                assert not self._driver.has_ended, self._driver.printed()[-3000:]
                await asyncio.sleep(0.01)
        victim = await _found(find)
        self._relay.note_kill()
        victim.kill()
        say(f"killed {victim.pid}, in flight: {self._relay.in_flight.total()}")


async def _found(find: Callable[[], psutil.Process]) -> psutil.Process:
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                return find()
            except (ValueError, psutil.Error):  # for a moment there are two, or none
                await asyncio.sleep(0.02)


@asynccontextmanager
async def sweep_of(command: SweepCommand, relay: CountingRelay) -> AsyncIterator[Sweep]:
    sweep = Sweep(command, relay)
    await sweep.start()
    try:
        yield sweep
    finally:
        await sweep.kill()


def core_of(replica: psutil.Process) -> psutil.Process:
    """The engine core of a replica of vLLM, a process of its own."""
    (core,) = (
        child
        for child in replica.children(recursive=True)
        if "EngineCore" in " ".join(child.cmdline())
    )
    return core


async def test_a_sweep_outlives_kills_of_its_driver_the_front_replicas_engine_and_scoring(
    tmp_path: Path, stack: Stack, drivers: ExpartHost
) -> None:
    write_dataset(tmp_path / "dataset", QUESTIONS)
    spec = write_spec(
        tmp_path, MODELS, tmp_path / "dataset", sampling={"max_tokens": 48, "temperature": 0}
    )
    with ExitStack() as lives:
        scoring = await asyncio.to_thread(MortalScoring, tmp_path / "scoring", lives)
        async with counting_relay(stack.local.address) as relay:
            command = SweepCommand(drivers, spec, relay.address, scoring.now.address)
            async with sweep_of(command, relay) as sweep:
                await sweep.until_answering(*MODELS)
                await sweep.kill_part(lambda: stack.replica(SCRIPTED.name))
                await sweep.kill_part(lambda: core_of(stack.replica(LLM)))
                await asyncio.to_thread(scoring.kill_and_start)
                await sweep.until_answering(SCRIPTED.name)
                await sweep.kill()
                await sweep.start()
                await sweep.until_answering(LLM)
                await sweep.kill_part(stack.front)
                relay.forget_answers()
                await sweep.until_answering(LLM)
                await sweep.kill_part(lambda: stack.replica(LLM))
                await sweep.end()
            assert relay.interrupted.total() > 0
            # Nothing was generated again but what a kill had found in flight.
            assert relay.generated_too_often() == {}
    assert_exactly_once(tmp_path / "results", questions_of(MODELS, QUESTIONS))
