"""Several drivers on one box share a sweep's questions, or keep out of each other's way."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.scoring_server import ScoringServer
from tests.integration.counted_generation import CountedGeneration, counted_generation
from tests.integration.expart_host import ExpartHost
from tests.integration.object_store import BUCKET, object_store
from tests.integration.stored_results import assert_exactly_once, rows_of
from tests.integration.sweep_dataset import QUESTIONS_AN_ARTWORK, questions_of, write_dataset
from tests.integration.sweep_driver import SweepCommand, SweepDriver, write_spec

pytestmark = pytest.mark.slow

MODELS = ("alpha", "beta")
QUESTIONS = 160


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "dataset", QUESTIONS)
    return write_spec(tmp_path, MODELS, tmp_path / "dataset")


def shard(command: SweepCommand, index: int, count: int) -> SweepCommand:
    return replace(command, options=("--shard-index", str(index), "--shard-count", str(count)))


def pod(command: SweepCommand, index: int, count: int) -> SweepCommand:
    """The same, as a pod of an Indexed Job learns it."""
    variables = {"JOB_COMPLETION_INDEX": str(index), "EXPART_SWEEP_SHARD_COUNT": str(count)}
    return replace(command, variables=variables)


async def together(commands: list[SweepCommand]) -> list[SweepDriver]:
    return list(await asyncio.gather(*(command.start() for command in commands)))


def assert_asked_once(generation: CountedGeneration) -> None:
    assert set(generation.models.begun.values()) == {1}
    assert set(generation.models.completed.values()) == {1}


@pytest.mark.parametrize("count", [2, 4])
async def test_drivers_share_the_questions_artwork_by_artwork(
    spec: Path, drivers: ExpartHost, sweep_scoring: ScoringServer, count: int
) -> None:
    async with counted_generation(MODELS, first_token_s=0.02) as generation:
        command = SweepCommand(drivers, spec, generation.address, sweep_scoring.address)
        started = await together([shard(command, index, count) for index in range(count)])
        for driver in started:
            assert await driver.ended() == 0, driver.printed()
        assert_asked_once(generation)
    output = spec.parent / "results"
    assert_exactly_once(output, questions_of(MODELS, QUESTIONS))
    artworks = [
        {row["artwork"] for row in rows_of(folder, "generations", "artwork")}
        for folder in sorted((output / "shards").iterdir())
    ]
    assert len(artworks) == count
    assert all(artworks)
    assert (
        sum(map(len, artworks)) == QUESTIONS // QUESTIONS_AN_ARTWORK
    )  # no artwork is shared by two


async def test_a_restarted_pod_goes_on_with_its_own_shard_while_the_other_runs(
    spec: Path, drivers: ExpartHost, sweep_scoring: ScoringServer
) -> None:
    async with counted_generation(MODELS, first_token_s=0.05) as generation:
        command = SweepCommand(drivers, spec, generation.address, sweep_scoring.address)
        first, other = await together([pod(command, index, 2) for index in range(2)])
        await first.until(generation.until_begun(60))
        await first.kill()
        again = await pod(command, 0, 2).start()
        for driver in (other, again):
            assert await driver.ended() == 0, driver.printed()
        assert set(generation.models.completed.values()) == {1}
        # At the kill at most four questions of each model were in flight.
        assert generation.models.abandoned.total() <= 4 * len(MODELS)
    assert_exactly_once(spec.parent / "results", questions_of(MODELS, QUESTIONS))


async def test_two_drivers_of_the_same_shard_neither_corrupt_nor_repeat_anything(
    spec: Path, drivers: ExpartHost, sweep_scoring: ScoringServer
) -> None:
    async with counted_generation(MODELS, first_token_s=0.01) as generation:
        command = shard(
            SweepCommand(drivers, spec, generation.address, sweep_scoring.address), 0, 1
        )
        first = await command.start()
        await assert_refused(command, generation, first)
        assert await first.ended() == 0, first.printed()
        assert_asked_once(generation)
    assert_exactly_once(spec.parent / "results", questions_of(MODELS, QUESTIONS))


async def assert_refused(
    command: SweepCommand, generation: CountedGeneration, first: SweepDriver
) -> None:
    """Starts a driver of a shard on which another is at work."""
    await first.until(generation.until_begun(generation.models.begun.total() + 20))
    generation.models.flowing.clear()
    second = await command.start()
    assert await second.ended() == 2, second.printed()
    assert second.printed().count("another sweep is writing there") == 1
    generation.models.flowing.set()


async def test_two_drivers_of_the_same_shard_started_at_once_end_as_one(
    spec: Path, drivers: ExpartHost, sweep_scoring: ScoringServer
) -> None:
    async with counted_generation(MODELS, first_token_s=0.02) as generation:
        command = shard(
            SweepCommand(drivers, spec, generation.address, sweep_scoring.address), 0, 1
        )
        started = await together([command, command, command])
        codes = [await driver.ended() for driver in started]
        assert 0 in codes, started[0].printed()
        assert set(codes) <= {0, 2}, started[0].printed()
        assert_asked_once(generation)
    assert_exactly_once(spec.parent / "results", questions_of(MODELS, QUESTIONS))


# In place of 30 s. A driver that gets no time of computation for longer would lose its shard.
LEASE_S = 6.0


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with object_store() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield f"s3://{BUCKET}/sweep"


async def test_drivers_share_a_sweep_into_a_bucket_and_a_killed_one_goes_on(
    tmp_path: Path, bucket: str, drivers: ExpartHost, sweep_scoring: ScoringServer
) -> None:
    write_dataset(tmp_path / "dataset", QUESTIONS)
    spec = write_spec(tmp_path, MODELS, tmp_path / "dataset", output=bucket)
    async with counted_generation(MODELS, first_token_s=0.01) as generation:
        command = SweepCommand(
            drivers, spec, generation.address, sweep_scoring.address, lease_s=LEASE_S
        )
        first, other = await together([shard(command, index, 2) for index in range(2)])
        await assert_refused(shard(command, 1, 2), generation, other)
        await first.kill()
        again = await shard(command, 0, 2).start()
        assert await other.ended() == 0, other.printed()
        assert await again.ended() == 0, again.printed()
        assert set(generation.models.completed.values()) == {1}
        assert generation.models.abandoned.total() <= 4 * len(MODELS)
    assert_exactly_once(bucket, questions_of(MODELS, QUESTIONS))
