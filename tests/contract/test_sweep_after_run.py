"""What is done with a sweep that ran: checked, scored again, asked again, over real services."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict

import pytest
import yaml

from expart.generation.v1 import generation_service_pb2 as gen_pb
from services.cli.settings import child_environment
from services.core.errors import UserInputError
from services.metrics.options import CaseRule, ScoringOptions
from services.rpc.client_security import ClientSecurity
from services.sweep.leaderboard.leaderboard import build_leaderboard
from services.sweep.plan.prepare import plan_sweep
from services.sweep.progress.progress import SilentProgress
from services.sweep.remote.endpoints import Endpoints
from services.sweep.remote.listing import served_models
from services.sweep.results.output_lock import hold_shard
from services.sweep.results.rows import Table
from services.sweep.results.store import ResultStore
from services.sweep.results.stored_plan import read_stored_plan
from services.sweep.results.stored_spec import stored_spec
from services.sweep.review.drift import SampleChoice, measure_drift
from services.sweep.review.drift_report import ModelDrift
from services.sweep.review.rescore import RescoreOutcome, ScoringChoice, rescore
from services.sweep.review.verify import verify_output
from services.sweep.review.verify_findings import Kind
from services.sweep.run import scoring_pipe
from services.sweep.run.runner import run_sweep
from services.sweep.run.settings import SweepSettings
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import load_spec
from tests.contract.scoring_server import scoring_server
from tests.integration.sweep_services import ScriptedGeneration, ScriptedScoring, serving

PROJECT = Path(__file__).parents[2]
# Two models, two splits, three questions of each, two settings.
ANSWERS = 2 * 2 * 3 * 2
INSENSITIVE = ScoringChoice(options=ScoringOptions(case=CaseRule.INSENSITIVE))
SETTINGS = SweepSettings(commit_interval_s=0.1)


class Record(TypedDict):
    """What is changed here of a record of ExpArt-mini."""

    id: str
    conversations: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep's files, and the services."""

    folder: Path
    endpoints: Endpoints

    @property
    def spec(self) -> Path:
        return self.folder / "sweep.yaml"

    @property
    def store(self) -> ResultStore:
        return ResultStore(self.folder / "out")

    async def run(self, shard: Shard | None = None) -> bool:
        """Runs what is left of it; whether there was anything."""
        directory = await served_models(self.endpoints.generation)
        plan = plan_sweep(load_spec(self.spec), directory, shard)
        await run_sweep(plan, self.endpoints, SilentProgress(), asyncio.Event(), SETTINGS)
        return plan.has_work

    async def rescore(
        self, choice: ScoringChoice | None = None, stop: asyncio.Event | None = None
    ) -> RescoreOutcome:
        """Scores by the references and the spec that the output names."""
        stop = stop or asyncio.Event()
        return await rescore(
            self.store,
            stored_spec(self.store),
            choice or ScoringChoice(),
            scoring=self.endpoints.scoring,
            security=ClientSecurity(),
            progress=StoppingProgress(stop),
            stop=stop,
            settings=SETTINGS,
        )

    def records(self) -> list[Record]:
        """The records of the seen part."""
        records: list[Record] = json.loads((self.folder / "data" / "test_seen.json").read_text())
        return records

    def write_records(self, records: list[Record]) -> None:
        (self.folder / "data" / "test_seen.json").write_text(json.dumps(records))

    def count(self, table: Table) -> int:
        tables = [self.store.tables(shard) for shard in self.store.shards()]
        return sum(b.num_rows for each in tables for b in each.batches(table, ["key"]))


@dataclass(slots=True)
class StoppingProgress:
    """Stops as soon as something is durable, where it is told to."""

    stop: asyncio.Event
    at_once: bool = False
    to_score: int = 0

    def begin(self, to_score: int, answers: int) -> None:
        self.to_score = to_score

    def scored(self, count: int) -> None:
        if self.at_once:
            self.stop.set()


@pytest.fixture(scope="module")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """A real front with scripted models, and a real scoring service."""
    command = [sys.executable, "-m", "services.generation.scripted_server", "--with-parent"]
    with (
        scoring_server(tmp_path_factory.mktemp("scoring")) as scoring,
        subprocess.Popen(
            [*command, "--model", "first", "--model", "second"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as generation,
    ):
        assert generation.stdout is not None
        yield Endpoints(generation.stdout.readline().strip(), scoring.address)
        generation.terminate()


@pytest.fixture
def sweep(tmp_path: Path, endpoints: Endpoints) -> Sweep:
    """A sweep of a copy of ExpArt-mini that is still to be run."""
    shutil.copytree(PROJECT / "deploy" / "expart_mini", tmp_path / "data")
    declared = {
        "dataset": {"folder": "data"},
        "models": ["first", "second"],
        "samplings": {"short": {"max_tokens": 24, "temperature": 0}},
        "limits": {"max_questions_per_split": 3},
        "output": "out",
    }
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(declared))
    return Sweep(tmp_path, endpoints)


def expart(sweep: Sweep, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", "sweep", *arguments],
        cwd=PROJECT,
        env=child_environment(EXPART_CLI_LOG_FOLDER=str(sweep.folder / "log")),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def signatures(sweep: Sweep, metric: str) -> set[str]:
    """Signatures of a metric in the leaderboard, which refuses mixed ones."""
    return {row.metrics[metric].signature for row in build_leaderboard(sweep.store.uri).standings}


async def test_a_sweep_in_shards_is_verified_as_one_and_rescored_by_the_command(
    sweep: Sweep,
) -> None:
    await sweep.run(Shard(0, 2))
    half = verify_output(sweep.store)
    assert Kind.SHARD_NOT_BEGUN in {finding.kind for finding in half.findings}
    assert expart(sweep, "verify", sweep.store.uri).returncode == 1
    await sweep.run(Shard(1, 2))
    whole = verify_output(sweep.store)
    assert whole.findings == ()
    assert (whole.planned, whole.generated, whole.scored) == (ANSWERS, ANSWERS, ANSWERS)
    rescoring = (
        *("rescore", str(sweep.spec), "--scoring", sweep.endpoints.scoring),
        *("--metrics", "ec_exact,length", "--case", "insensitive"),
    )
    ended = expart(sweep, *rescoring)
    assert ended.returncode == 0, ended.stderr
    assert f"{ANSWERS} scored now, 0 left" in ended.stdout
    kept = "metrics: [ec_exact, length] and scoring_options: {case: insensitive}"
    assert f"to keep these, put into it: {kept}" in ended.stdout
    board = build_leaderboard(sweep.store.uri)
    assert board.metrics == ("ec_exact", "length")
    assert all("|case:insensitive|" in text for text in signatures(sweep, "ec_exact"))
    # Each answer is there once, as before, and has been scored twice.
    assert sweep.count(Table.GENERATIONS) == ANSWERS
    again = expart(sweep, *rescoring)
    assert "0 scored now, 0 left" in again.stdout
    ended = expart(sweep, "verify", str(sweep.spec), "--json")
    assert ended.returncode == 0, ended.stdout
    document = json.loads(ended.stdout)
    assert document["sound"]
    assert document["complete"]
    assert {finding["kind"] for finding in document["findings"]} == {"scored_before"}


async def test_a_run_brings_rescored_answers_back_to_what_the_spec_asks_for(
    sweep: Sweep,
) -> None:
    await sweep.run()
    assert (await sweep.rescore(INSENSITIVE)).left == 0
    assert all("|case:insensitive|" in text for text in signatures(sweep, "ec_exact"))
    # Nothing is left to ask, and every answer has scores of one signature: yet not the spec's.
    ended = expart(sweep, "plan", str(sweep.spec), "--generation", sweep.endpoints.generation)
    assert f"{ANSWERS} answers are scored by other metrics or options" in ended.stdout
    assert await sweep.run()
    assert all("|case:sensitive|" in text for text in signatures(sweep, "ec_exact"))
    assert sweep.count(Table.GENERATIONS) == ANSWERS
    assert not await sweep.run()
    # A rescoring by the spec finds nothing to do either.
    assert (await sweep.rescore()).scored == 0


async def test_what_the_spec_says_of_scoring_holds_for_old_answers_and_new_ones(
    sweep: Sweep,
) -> None:
    declared = yaml.safe_load(sweep.spec.read_text())
    sweep.spec.write_text(yaml.safe_dump({**declared, "models": ["first"]}))
    await sweep.run()
    assert (await sweep.rescore(INSENSITIVE)).left == 0
    declared["scoring_options"] = {"case": "insensitive"}
    sweep.spec.write_text(yaml.safe_dump({**declared, "models": ["first"]}))
    assert not await sweep.run()  # it asks for the scores that there are
    rows = sweep.count(Table.SCORES)
    sweep.spec.write_text(yaml.safe_dump(declared))
    await sweep.run()
    # The first model's answers were scored twice and are left alone, the second's are scored once.
    assert sweep.count(Table.SCORES) == rows + rows // 2
    assert all("|case:insensitive|" in text for text in signatures(sweep, "ec_exact"))
    ended = expart(sweep, "rescore", str(sweep.spec), "--scoring", sweep.endpoints.scoring)
    assert "0 scored now, 0 left" in ended.stdout, ended.stderr
    assert "to keep these" not in ended.stdout


async def test_a_rescoring_that_is_stopped_goes_on_where_it_stopped(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sweep.run()
    rows = sweep.count(Table.SCORES)
    monkeypatch.setattr(scoring_pipe, "_MOST_WAITING", 2)
    stop = asyncio.Event()
    choice = ScoringChoice(("length",), ScoringOptions())
    progress = StoppingProgress(stop, at_once=True)
    settings = SweepSettings(commit_interval_s=0.001, scoring_window=1)
    first = await rescore(
        sweep.store,
        stored_spec(sweep.store),
        choice,
        scoring=sweep.endpoints.scoring,
        security=ClientSecurity(),
        progress=progress,
        stop=stop,
        settings=settings,
    )
    assert progress.to_score == ANSWERS
    assert first.stopped
    assert 0 < first.scored < ANSWERS
    assert first.left == ANSWERS - first.scored
    second = await sweep.rescore(choice)
    assert (second.scored, second.left) == (first.left, 0)
    # One row more an answer: nothing was scored twice.
    assert sweep.count(Table.SCORES) == rows + ANSWERS
    assert build_leaderboard(sweep.store.uri).metrics == ("length",)


async def test_a_service_that_is_upgraded_while_it_rescores_leaves_answers_to_be_scored(
    sweep: Sweep,
) -> None:
    def upgrade(item_id: str, attempt: int) -> None:
        if len(scoring.answered) == 4:
            scoring.signature_suffix = "|v:newest"

    await sweep.run()
    scoring = ScriptedScoring(signature_suffix="|v:newer", item_error=upgrade)
    async with serving(None, scoring) as (address,):
        upgraded = replace(sweep, endpoints=replace(sweep.endpoints, scoring=address))
        first = await upgraded.rescore()
        assert (first.scored, first.left) == (4, first.answers - 4)
        second = await upgraded.rescore()
        assert (second.scored, second.left) == (4, 0)  # the others carry the newest already
    [signature] = signatures(sweep, "bleu")
    assert "|v:newest" in signature


async def test_changed_references_are_scored_against_and_the_plan_follows_them(
    sweep: Sweep,
) -> None:
    await sweep.run()
    records = sweep.records()
    for record in records:
        record["conversations"][1]["value"] += " It is often reproduced."
    sweep.write_records(records)
    outcome = await sweep.rescore()
    # Those of the unseen part are as they were: three questions in two settings, of two models.
    assert outcome.changed_references == 3 * 2
    assert (outcome.scored, outcome.left) == (3 * 2 * 2, 0)
    verification = verify_output(sweep.store)
    assert verification.is_sound
    assert verification.is_complete
    assert not await sweep.run()  # the plan is the one that a run makes


async def test_a_question_that_is_no_more_in_the_dataset_keeps_its_scores(sweep: Sweep) -> None:
    await sweep.run()
    asked = set(read_stored_plan(sweep.store).columns["question"].values)
    kept = sweep.records()
    kept.remove(next(record for record in kept if record["id"] in asked))
    sweep.write_records(kept)
    outcome = await sweep.rescore(INSENSITIVE)
    assert outcome.without_reference == 1
    assert (outcome.scored, outcome.left) == (ANSWERS - 2, 0)  # two models were asked it
    with pytest.raises(UserInputError, match="different signatures"):
        build_leaderboard(sweep.store.uri)


async def test_rescoring_needs_the_shard_and_metrics_that_there_are(sweep: Sweep) -> None:
    await sweep.run()
    with pytest.raises(UserInputError, match="does not compute bertscore"):
        await sweep.rescore(ScoringChoice(("bertscore",)))
    with (
        hold_shard(sweep.store, Shard()),
        pytest.raises(UserInputError, match="another sweep is writing there"),
    ):
        await sweep.rescore(INSENSITIVE)


async def test_a_sample_asked_again_is_the_same_from_the_same_models(sweep: Sweep) -> None:
    await sweep.run()
    ended = expart(
        sweep,
        *("verify", str(sweep.spec), "--ask", "4"),
        *("--generation", sweep.endpoints.generation, "--scoring", sweep.endpoints.scoring),
    )
    assert ended.returncode == 0, ended.stderr
    assert "first: 4 asked again, 4 identical, 0 different" in ended.stdout
    assert "second: 4 asked again, 4 identical, 0 different" in ended.stdout
    assert sweep.count(Table.GENERATIONS) == ANSWERS  # nothing of it is stored


@dataclass
class ForgetfulGeneration(ScriptedGeneration):
    """Says less about every second question from when it has forgotten."""

    has_forgotten: bool = False
    again: list[str] = field(default_factory=list)

    async def StreamExplanation(
        self, request: gen_pb.StreamExplanationRequest, context: object
    ) -> AsyncIterator[gen_pb.StreamExplanationResponse]:
        if self.has_forgotten:
            self.again.append(request.request_id)
            if len(self.again) % 2:
                request.instruction = request.instruction[:10]
        async for event in super().StreamExplanation(request, context):
            yield event


async def test_answers_that_have_drifted_are_found_with_place_and_scores(sweep: Sweep) -> None:
    spec = yaml.safe_load(sweep.spec.read_text())
    sweep.spec.write_text(yaml.safe_dump({**spec, "models": ["echo"]}))
    generation = ForgetfulGeneration({"echo": "r1"})
    async with serving(generation) as (address,):
        drifting = Sweep(sweep.folder, replace(sweep.endpoints, generation=address))
        await drifting.run()
        generation.has_forgotten = True
        drift = await ask_again(drifting)
        assert (drift.asked, drift.identical, len(drift.drifted)) == (4, 2, 2)
        # The stored answer goes on where the new one ends.
        assert {one.first_difference for one in drift.drifted} == {len("echo says: ") + 10}
        assert drift.metrics["length"].mean < 0
        assert drift.metrics["length"].compared == 2
        # Under ids of their own, or the service might answer what it remembers.
        assert len(set(generation.again)) == 4
        assert all(name.startswith("again-") for name in generation.again)
        generation.revisions["echo"] = "r2"
        assert (await ask_again(drifting)).asked == 0


async def ask_again(sweep: Sweep) -> ModelDrift:
    plan = plan_sweep(load_spec(sweep.spec), await served_models(sweep.endpoints.generation))
    [drift] = await measure_drift(
        plan,
        SampleChoice(count=4, seed=0),
        sweep.endpoints,
        stop=asyncio.Event(),
        note=pytest.fail,
        settings=SETTINGS,
    )
    return drift
