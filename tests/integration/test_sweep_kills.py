"""The driver and the services around it are killed, and the sweep ends as if nothing had been."""

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench.scoring_service import say
from tests.contract.scoring_server import ScoringServer, scoring_server
from tests.integration.counted_generation import CountedGeneration, counted_generation
from tests.integration.expart_host import ExpartHost
from tests.integration.stored_results import assert_exactly_once, count_rows, rows_of
from tests.integration.sweep_dataset import questions_of, write_dataset
from tests.integration.sweep_driver import (
    SweepCommand,
    SweepDriver,
    write_spec,
)

pytestmark = pytest.mark.slow

MODELS = ("alpha", "beta")
CONCURRENCY = 4
KILLS = 50
# 100 artworks, 5 sections, 2 settings. 8 in flight, 40 ms an answer: at most 200 a second. However
# fast the machine, 10 lives of 0.4 s and 40 of 6 questions, 8 in flight and 0.05 s, on average, do
# not come to the end of 2 x 1000: 10 x 80 + 40 x 24 = 1760.
QUESTIONS = 1000
ANSWER_S = 0.04
# From the start of the process to where it has ended to plan, and begins to ask.
STARTING_S = 0.8


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset") / "many"
    write_dataset(folder, QUESTIONS)
    return folder


async def first_of(*waits: Coroutine[object, object, object]) -> None:
    """Waits until the first of these has come about."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


async def live_and_die(
    command: SweepCommand, generation: CountedGeneration, moments: random.Random
) -> str:
    """Starts a driver, kills it at a random moment and says which it was."""
    driver = await command.start()
    if moments.random() < 0.2:
        after_s = moments.uniform(0, STARTING_S)
        moment = f"{after_s:.2f} s after its start"
        await asyncio.sleep(after_s)
    else:
        count, after_s = moments.randint(0, 12), moments.uniform(0, 0.1)
        moment = f"{after_s:.3f} s after {count} more generations"
        begun = generation.until_begun(generation.models.begun.total() + count)
        await first_of(begun, driver.ended())
        await asyncio.sleep(after_s)
    await driver.kill()
    return moment


@pytest.mark.parametrize("seed", [5])
async def test_fifty_kills_of_the_driver_lose_nothing_and_repeat_only_what_was_in_flight(
    tmp_path: Path, dataset: Path, drivers: ExpartHost, sweep_scoring: ScoringServer, seed: int
) -> None:
    moments = random.Random(seed)
    spec = write_spec(tmp_path, MODELS, dataset, concurrency=CONCURRENCY)
    abandoned: Counter[str] = Counter()
    async with counted_generation(MODELS, first_token_s=ANSWER_S) as generation:
        command = SweepCommand(drivers, spec, generation.address, sweep_scoring.address)
        models = generation.models
        for number in range(KILLS):
            moment = await live_and_die(command, generation, moments)
            # The front notices that its caller is gone and frees the engine.
            await generation.until_idle()
            lost = models.abandoned - abandoned
            say(f"kill {number} (seed {seed}): {moment}, {lost.total()} in flight")
            assert lost.total() <= CONCURRENCY * len(MODELS)
            abandoned += lost
        stored = {str(row["key"]) for row in rows_of(tmp_path / "results", "generations", "key")}
        assert 0 < len(stored) < QUESTIONS * len(MODELS)  # the kills fell into the sweep
        begun = Counter(models.begun)
        await command.run()
        # What was stored at the last kill was asked no more, and nothing was generated twice
        # but what a kill had found in flight.
        assert {key: models.begun[key] for key in stored} == {key: begun[key] for key in stored}
        assert models.abandoned == abandoned
        assert set(models.completed.values()) == {1}
        assert_exactly_once(tmp_path / "results", questions_of(MODELS, QUESTIONS))
        done = models.begun.total()
        await command.run()
        assert models.begun.total() == done


async def test_kills_while_the_last_results_are_written_leave_a_sweep_that_can_be_ended(
    tmp_path: Path, drivers: ExpartHost, sweep_scoring: ScoringServer
) -> None:
    write_dataset(tmp_path / "dataset", 50)
    spec = write_spec(tmp_path, MODELS, tmp_path / "dataset")
    asked = questions_of(MODELS, 50)
    moments = random.Random(7)
    async with counted_generation(MODELS) as generation:
        command = SweepCommand(drivers, spec, generation.address, sweep_scoring.address)
        for number in range(8):
            driver = await command.start()
            await first_of(generation.until_completed(len(asked)), driver.ended())
            after_s = moments.uniform(0, 0.8)
            say(f"kill {number}: {after_s:.2f} s after the last answer, or the start")
            await asyncio.sleep(after_s)
            await driver.kill()
        await command.run()
        assert set(generation.models.begun.values()) == {1}
        assert_exactly_once(tmp_path / "results", asked)


async def test_sigterm_stores_what_is_in_flight_and_the_next_run_asks_only_the_rest(
    tmp_path: Path, dataset: Path, drivers: ExpartHost, sweep_scoring: ScoringServer
) -> None:
    spec = write_spec(tmp_path, MODELS, dataset, limits={"max_questions_per_split": 50})
    async with counted_generation(MODELS, first_token_s=0.1) as generation:
        command = SweepCommand(drivers, spec, generation.address, sweep_scoring.address)
        models = generation.models
        driver = await command.start()
        await driver.until(generation.until_begun(40))
        models.flowing.clear()
        begun = models.begun.total()
        driver.terminate()
        await driver.until(says_that_it_stops(driver))
        models.flowing.set()
        assert await driver.ended() == 130, driver.printed()
        await generation.until_idle()
        assert not models.abandoned
        # Those that ended while it was being told made room for as many others, at most.
        assert begun <= models.completed.total() <= begun + CONCURRENCY * len(MODELS)
        stored = count_rows(tmp_path / "results", "generations")
        assert stored == models.completed.total()
        await command.run()
        assert set(generation.models.begun.values()) == {1}


async def test_a_second_ctrl_c_leaves_at_once_and_what_is_stored_is_whole(
    tmp_path: Path, dataset: Path, drivers: ExpartHost, sweep_scoring: ScoringServer
) -> None:
    spec = write_spec(tmp_path, MODELS, dataset, limits={"max_questions_per_split": 20})
    async with counted_generation(MODELS) as quick:
        command = SweepCommand(drivers, spec, quick.address, sweep_scoring.address)
        driver = await command.start()
        await driver.until(quick.until_completed(20))
        await driver.kill()
    # Answers that take a minute: whoever waited for them would wait for 20 s, the longest drain.
    async with counted_generation(MODELS, first_token_s=60) as slow:
        driver = await SweepCommand(drivers, spec, slow.address, sweep_scoring.address).start()
        await driver.until(slow.until_begun(CONCURRENCY * len(MODELS)))
        driver.interrupt()
        await driver.until(says_that_it_stops(driver))
        assert not driver.has_ended  # it waits for what is in flight
        driver.interrupt()
        assert await driver.ended(within_s=15) == 130, driver.printed()
        await slow.until_idle()
    async with counted_generation(MODELS) as quick:
        await SweepCommand(drivers, spec, quick.address, sweep_scoring.address).run()
    generated = Counter(row["key"] for row in rows_of(tmp_path / "results", "generations", "key"))
    # 20 questions, each in two settings, for two models.
    assert len(generated) == 20 * 2 * len(MODELS)
    assert set(generated.values()) == {1}


async def says_that_it_stops(driver: SweepDriver) -> None:
    while "saving what is done" not in driver.printed():  # noqa: ASYNC110 - a file
        await asyncio.sleep(0.05)


@contextmanager
def mortal_scoring(folder: Path, address: str) -> Iterator[ScoringServer]:
    """A scoring service that may be killed, at an address that the next one takes again."""
    folder.mkdir()
    with scoring_server(folder, ADDRESS=address) as server:
        yield server


async def test_kills_of_the_scoring_service_cost_no_score_and_no_generation(
    tmp_path: Path, dataset: Path, drivers: ExpartHost
) -> None:
    # 50 questions, each in two settings, for two models: 200.
    spec = write_spec(tmp_path, MODELS, dataset, limits={"max_questions_per_split": 50})
    moments = random.Random(11)
    address = "127.0.0.1:0"
    async with counted_generation(MODELS, first_token_s=0.02) as generation:
        driver = None
        for life in range(3):
            with mortal_scoring(tmp_path / f"scoring-{life}", address) as scoring:
                address = scoring.address
                command = SweepCommand(drivers, spec, generation.address, address)
                driver = driver or await command.start()
                generation.models.flowing.set()
                if life == 2:
                    assert await driver.ended() == 0, driver.printed()
                else:
                    await driver.until(generation.until_completed(60 * (life + 1)))
                    # There is more to ask when the next service comes up.
                    generation.models.flowing.clear()
                    await asyncio.sleep(moments.uniform(0, 0.3))
                    scoring.process.kill()
        assert set(generation.models.begun.values()) == {1}
    planned = {str(row["key"]) for row in rows_of(tmp_path / "results", "plan", "key")}
    scores = Counter(
        (row["key"], row["metric"])
        for row in rows_of(tmp_path / "results", "scores", "key", "metric")
    )
    assert {key for key, _ in scores} == planned
    assert set(scores.values()) == {1}
