"""Several drivers on one box share a sweep's questions, or keep out of each other's way."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.scoring_server import ScoringServer, scoring_server
from tests.integration.counted_generation import CountedGeneration, counted_generation
from tests.integration.stored_results import assert_exactly_once, rows_of
from tests.integration.sweep_dataset import QUESTIONS_AN_ARTWORK, questions_of, write_dataset
from tests.integration.sweep_driver import SweepCommand, SweepDriver, write_spec

pytestmark = pytest.mark.slow

MODELS = ("alpha", "beta")
QUESTIONS = 240


@pytest.fixture(scope="module")
def scoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    with scoring_server(tmp_path_factory.mktemp("scoring")) as server:
        yield server


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    write_dataset(tmp_path / "dataset", QUESTIONS)
    return write_spec(tmp_path, MODELS, tmp_path / "dataset")


def shard(command: SweepCommand, index: int, count: int) -> SweepCommand:
    return replace(command, options=("--shard-index", str(index), "--shard-count", str(count)))


async def together(commands: list[SweepCommand]) -> list[SweepDriver]:
    return list(await asyncio.gather(*(command.start() for command in commands)))


def assert_asked_once(generation: CountedGeneration) -> None:
    assert set(generation.models.begun.values()) == {1}
    assert set(generation.models.completed.values()) == {1}


@pytest.mark.parametrize("count", [2, 4])
async def test_drivers_share_the_questions_artwork_by_artwork(
    spec: Path, scoring: ScoringServer, count: int
) -> None:
    async with counted_generation(MODELS, first_token_s=0.02) as generation:
        command = SweepCommand(spec, generation.address, scoring.address)
        drivers = await together([shard(command, index, count) for index in range(count)])
        for driver in drivers:
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


async def test_a_killed_driver_goes_on_with_its_own_shard_while_the_other_runs(
    spec: Path, scoring: ScoringServer
) -> None:
    async with counted_generation(MODELS, first_token_s=0.05) as generation:
        command = SweepCommand(spec, generation.address, scoring.address)
        first, other = await together([shard(command, index, 2) for index in range(2)])
        await generation.until_begun(60)
        await first.kill()
        again = await shard(command, 0, 2).start()
        for driver in (other, again):
            assert await driver.ended() == 0, driver.printed()
        assert set(generation.models.completed.values()) == {1}
        # At the kill at most four questions of each model were in flight.
        assert generation.models.abandoned.total() <= 4 * len(MODELS)
    assert_exactly_once(spec.parent / "results", questions_of(MODELS, QUESTIONS))


async def test_two_drivers_of_the_same_shard_neither_corrupt_nor_repeat_anything(
    spec: Path, scoring: ScoringServer
) -> None:
    async with counted_generation(MODELS, first_token_s=0.05) as generation:
        command = shard(SweepCommand(spec, generation.address, scoring.address), 0, 1)
        first = await command.start()
        await generation.until_begun(20)
        second = await command.start()
        codes = sorted([await first.ended(), await second.ended()])
        assert codes == [0, 2], first.printed()
        assert first.printed().count("another sweep is writing there") == 1
        assert_asked_once(generation)
    assert_exactly_once(spec.parent / "results", questions_of(MODELS, QUESTIONS))


async def test_two_drivers_of_the_same_shard_started_at_once_end_as_one(
    spec: Path, scoring: ScoringServer
) -> None:
    async with counted_generation(MODELS, first_token_s=0.02) as generation:
        command = shard(SweepCommand(spec, generation.address, scoring.address), 0, 1)
        drivers = await together([command, command, command])
        codes = [await driver.ended() for driver in drivers]
        assert 0 in codes, drivers[0].printed()
        assert set(codes) <= {0, 2}, drivers[0].printed()
        assert_asked_once(generation)
    assert_exactly_once(spec.parent / "results", questions_of(MODELS, QUESTIONS))
