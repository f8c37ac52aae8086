"""What ``expart sweep run`` says and answers where something is left."""

from pathlib import Path

from expart.generation.v1 import generation_service_pb2 as pb
from services.core.errors import EngineUnavailableError
from services.sweep.progress.status import read_statuses
from services.sweep.results.store import ResultStore
from tests.integration.expart_host import ExpartHost
from tests.integration.stored_results import count_rows
from tests.integration.sweep_dataset import write_dataset
from tests.integration.sweep_driver import SweepCommand, write_spec
from tests.integration.sweep_services import Fault, ScriptedGeneration, ScriptedScoring, serving

QUESTIONS = 10


async def test_a_run_that_leaves_something_says_what(tmp_path: Path, drivers: ExpartHost) -> None:
    failing = True

    def lose_history(request: pb.StreamExplanationRequest, attempt: int) -> Fault | None:
        is_lost = failing and "History" in request.instruction
        return Fault(EngineUnavailableError("the engine was lost")) if is_lost else None

    write_dataset(tmp_path / "dataset", QUESTIONS)
    spec = write_spec(tmp_path, ["alpha"], tmp_path / "dataset")
    generation = ScriptedGeneration({"alpha": "r1"}, fault=lose_history)
    async with serving(generation, ScriptedScoring()) as (generating, scoring_at):
        variables = {"EXPART_SWEEP_MAX_ATTEMPTS": "1"}
        command = SweepCommand(drivers, spec, generating, scoring_at, variables=variables)
        driver = await command.start()
        assert await driver.ended() == 1, driver.printed()
        # Of the artwork's ten questions two are about its history, one in each setting.
        assert driver.printed().splitlines()[-1] == (
            "not complete: 2 failed and to be asked again; the same command does the rest"
        )
        [status] = read_statuses(ResultStore(tmp_path / "results"))
        assert status.snapshot.left == 2
        failing = False
        await command.run()
    assert count_rows(tmp_path / "results", "generations") == QUESTIONS


async def test_a_service_that_is_upgraded_meanwhile_is_no_wrong_input(
    tmp_path: Path, drivers: ExpartHost
) -> None:
    def upgrade(item_id: str, attempt: int) -> None:
        if len(scoring.answered) == QUESTIONS // 2:
            scoring.signature_suffix = "|v:next"

    write_dataset(tmp_path / "dataset", QUESTIONS)
    spec = write_spec(tmp_path, ["alpha"], tmp_path / "dataset")
    scoring = ScriptedScoring(item_error=upgrade)
    async with serving(ScriptedGeneration({"alpha": "r1"}), scoring) as (generating, scoring_at):
        command = SweepCommand(drivers, spec, generating, scoring_at)
        driver = await command.start()
        assert await driver.ended() == 1, driver.printed()
        assert "carry different signatures" in driver.printed()
        assert driver.printed().splitlines()[-1] == (
            "not complete: 5 answered and to be scored; the same command does the rest"
        )
        await command.run()
