"""Parts of the real stack are killed during a sweep, which nevertheless ends complete."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from services.generation.catalog import Catalog, load_catalog
from services.generation.local import start_local
from tests.contract.scoring_server import ScoringServer, scoring_server
from tests.integration.fault_stack import IMPATIENT, PROJECT, Stack, driver_of
from tests.integration.stored_results import assert_exactly_once, count_rows
from tests.integration.sweep_dataset import MINI
from tests.integration.sweep_driver import SweepCommand, write_spec
from tests.unit.generation.builders import scripted_spec

pytestmark = [pytest.mark.slow, pytest.mark.stack]

LLM = "demo-tiny"
SCRIPTED = scripted_spec("scripted", per_token_s=0.02)
MODELS = (LLM, SCRIPTED.name)
ENDS_WITHIN_S = 240.0


@pytest.fixture(scope="module")
def stack(demo_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    known = {spec.name: spec for spec in load_catalog(PROJECT / "deploy/models", demo_models)}
    log_path = tmp_path_factory.mktemp("kills") / "generation.log"
    catalog = Catalog({LLM: known[LLM], SCRIPTED.name: SCRIPTED})
    with (
        start_local(catalog, list(MODELS), log_path=log_path, settings=IMPATIENT) as local,
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


def core_of(replica: psutil.Process) -> psutil.Process:
    """The engine core of a replica of vLLM, a process of its own."""
    (core,) = (
        child
        for child in replica.children(recursive=True)
        if "EngineCore" in " ".join(child.cmdline())
    )
    return core


async def test_a_sweep_outlives_kills_of_the_front_the_replicas_the_engine_and_the_scoring(
    tmp_path: Path, stack: Stack
) -> None:
    records = [
        record
        for split in ("test_seen", "test_unseen")
        for record in json.loads((MINI / f"{split}.json").read_text(encoding="utf-8"))
    ]
    asked = {(model, record["id"], record["setting"]) for model in MODELS for record in records}
    spec = write_spec(
        tmp_path,
        MODELS,
        MINI,
        splits=["test_seen", "test_unseen"],
        sampling={"max_tokens": 48, "temperature": 0},
    )
    output = tmp_path / "results"

    with ExitStack() as lives:
        scoring = await asyncio.to_thread(MortalScoring, tmp_path / "scoring", lives)
        driver = await SweepCommand(spec, stack.local.address, scoring.now.address).start()

        async def kill_after(rows: int, victim: Callable[[], psutil.Process]) -> None:
            while count_rows(output, "generations") < rows:
                assert not driver.has_ended, driver.printed()
                await asyncio.sleep(0.05)
            victim().kill()

        try:
            await kill_after(8, stack.front)
            await kill_after(24, lambda: stack.replica(SCRIPTED.name))
            await kill_after(40, lambda: core_of(stack.replica(LLM)))
            await asyncio.to_thread(scoring.kill_and_start)
            await kill_after(len(records) + 24, lambda: stack.replica(LLM))
            code = await driver.ended(ENDS_WITHIN_S)
        finally:
            await driver.kill()
        # A question may have used up its attempts while nothing could answer: users run again.
        if code == 1:
            await SweepCommand(spec, stack.local.address, scoring.now.address).run()
        else:
            assert code == 0, driver.printed()
    assert_exactly_once(output, asked)
