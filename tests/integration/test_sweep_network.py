"""A sweep over a network that delays, stalls, resets and swallows ends complete."""

from pathlib import Path

import pytest

from tests.bench.scoring_service import say
from tests.contract.scoring_server import ScoringServer
from tests.integration.counted_generation import counted_generation
from tests.integration.expart_host import ExpartHost
from tests.integration.faulty_network import Weather, faulty_network
from tests.integration.stored_results import assert_exactly_once
from tests.integration.sweep_dataset import questions_of, write_dataset
from tests.integration.sweep_driver import SweepCommand, write_spec

pytestmark = pytest.mark.slow

MODELS = ("alpha", "beta")
QUESTIONS = 150

STORM = Weather(delay=0.1, stall=0.01, reset=0.01, refuse=0.2)


@pytest.mark.parametrize("seed", [3])
async def test_a_sweep_over_a_network_that_delays_stalls_and_resets_ends_complete(
    tmp_path: Path, drivers: ExpartHost, sweep_scoring: ScoringServer, seed: int
) -> None:
    write_dataset(tmp_path / "dataset", QUESTIONS)
    spec = write_spec(tmp_path, MODELS, tmp_path / "dataset", deadline_s=10)
    async with (
        counted_generation(MODELS, first_token_s=0.02) as generation,
        faulty_network(generation.address, STORM, seed) as to_generation,
        faulty_network(sweep_scoring.address, STORM, seed + 1) as to_scoring,
    ):
        await SweepCommand(drivers, spec, to_generation.address, to_scoring.address).run()
        say(f"seed {seed}: {to_generation.happened}, {to_scoring.happened}")
        for network in (to_generation, to_scoring):
            assert {"delay", "stall", "reset"} <= set(network.happened)
        # Whatever was lost on the way back was not generated again.
        assert set(generation.models.completed.values()) == {1}
    assert_exactly_once(tmp_path / "results", questions_of(MODELS, QUESTIONS))


async def test_a_sweep_notices_a_connection_that_swallows_everything_and_goes_on(
    tmp_path: Path, drivers: ExpartHost, sweep_scoring: ScoringServer
) -> None:
    write_dataset(tmp_path / "dataset", QUESTIONS)
    spec = write_spec(tmp_path, MODELS, tmp_path / "dataset")
    calm = Weather()
    async with (
        counted_generation(MODELS, first_token_s=0.05) as generation,
        faulty_network(generation.address, calm, 0) as to_generation,
        faulty_network(sweep_scoring.address, calm, 0) as to_scoring,
    ):
        # Two seconds without a sign, and two for an answer to a ping.
        command = SweepCommand(
            drivers, spec, to_generation.address, to_scoring.address, silence_s=4.0
        )
        driver = await command.start()
        await driver.until(generation.until_begun(100))
        assert to_generation.swallow_all() > 0
        await driver.until(generation.until_begun(200))
        assert to_scoring.swallow_all() > 0
        assert await driver.ended() == 0, driver.printed()
        # What was swallowed was in flight: four questions of each model.
        again = [key for key, count in generation.models.begun.items() if count > 1]
        assert len(again) <= 4 * len(MODELS)
    assert_exactly_once(tmp_path / "results", questions_of(MODELS, QUESTIONS))
