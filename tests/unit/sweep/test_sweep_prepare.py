"""Planning from files: resume over shards, missing pictures, and what the plan command says."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from deltalake import write_deltalake

from services.core.errors import UserInputError
from services.sweep.plan.directory import FixedDirectory, ModelDescription
from services.sweep.plan.plan import Job, SweepPlan
from services.sweep.plan.planned_manifest import new_manifest
from services.sweep.plan.prepare import plan_again, plan_sweep
from services.sweep.plan.report import as_json, assumptions, report_on
from services.sweep.results.manifest import Manifest
from services.sweep.results.rows import SCHEMAS, Stage, Table
from services.sweep.results.store import ResultStore
from services.sweep.results.stored_plan import read_stored_plan
from services.sweep.review.verify import verify_output
from services.sweep.review.verify_findings import Kind
from services.sweep.run import runner
from services.sweep.run.runner import record_plan
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import load_spec

DIRECTORY = FixedDirectory(
    [
        ModelDescription("alpha", "r1", adapters=("wit",), adapter_revisions={"wit": "a1"}),
        ModelDescription("beta", "r1"),
    ],
    "the test",
)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
# 6 artworks, each in two settings.
QUESTIONS = 6 * 2


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    records = []
    for work in range(6):
        (tmp_path / "images" / f"{work}.png").write_bytes(b"picture %d" % work)
        records.append(
            {
                "id": f"{work}",
                "title": f"Work {work}",
                "section": "History",
                "image": f"images/{work}.png",
                "instruction_with_title": f"Explain Work {work}.",
                "instruction_without_title": "Explain this work.",
                "reference": f"Work {work} is known.",
                "entities": ["Paris"],
            }
        )
    (tmp_path / "test_seen.json").write_text(json.dumps(records))
    return write_spec(tmp_path)


def write_spec(folder: Path, **keys: object) -> Path:
    spec = {
        "dataset": {"folder": "."},
        "splits": ["test_seen"],
        "models": ["alpha"],
        "sampling": {"temperature": 0},
        "output": "results",
        **keys,
    }
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


def plan(spec_file: Path, shard: Shard | None = None, **changes: object) -> SweepPlan:
    path = write_spec(spec_file.parent, **changes) if changes else spec_file
    return plan_sweep(load_spec(path), DIRECTORY, shard)


def store(
    spec_file: Path, table: Table, rows: list[dict[str, object]], shard: Shard | None = None
) -> None:
    """Stores rows; what a row does not say is empty, zero or false."""
    schema = SCHEMAS[table]
    empty = {field.name: _nothing(field.type) for field in schema}
    data = pa.Table.from_pylist([{**empty, **row} for row in rows], schema=schema)
    folder = ResultStore(load_spec(spec_file).output).folder(shard or Shard()).uri
    write_deltalake(f"{folder}/{table}", data, mode="append")


def _nothing(kind: pa.DataType) -> object:
    if pa.types.is_list(kind):
        return []
    return "" if pa.types.is_string(kind) else pa.scalar(0).cast(kind).as_py()


def generated(*jobs: Job) -> list[dict[str, object]]:
    return [
        {
            "key": job.key,
            "model": job.model.choice.model,
            "prompt_token_count": 110,
            "image_token_count": 100,
            "generated_token_count": 20,
            "generated_at": NOW + timedelta(seconds=number),
        }
        for number, job in enumerate(jobs)
    ]


def scores(
    *jobs: Job, signatures: str = "s1", at: datetime = NOW, reference: str = ""
) -> list[dict[str, object]]:
    return [
        {
            "key": job.key,
            "metric": metric,
            "reference_digest": reference or job.reference_digest,
            "signatures_digest": signatures,
            "scored_at": at,
        }
        for job in jobs
        for metric in ("bleu", "rouge_1")
    ]


def test_what_any_shard_stored_is_done_whatever_the_number_of_shards(spec_file: Path) -> None:
    jobs = plan(spec_file).jobs
    store(spec_file, Table.GENERATIONS, generated(*jobs[:5]), Shard(0, 2))
    store(spec_file, Table.GENERATIONS, generated(*jobs[3:8]), Shard(1, 2))
    store(spec_file, Table.SCORES, scores(*jobs[:8]), Shard(2, 3))
    again = plan(spec_file)
    assert again.to_generate == jobs[8:]
    assert again.to_score == ()
    assert again.by_model()[0].done == 8
    parts = [plan(spec_file, Shard(index, 4)) for index in range(4)]
    assert sum(len(part.to_generate) for part in parts) == QUESTIONS - 8
    assert {job.key for part in parts for job in part.jobs} == {job.key for job in jobs}


def test_adding_a_model_or_a_control_asks_only_what_is_new(spec_file: Path) -> None:
    jobs = plan(spec_file).jobs
    store(spec_file, Table.GENERATIONS, generated(*jobs))
    store(spec_file, Table.SCORES, scores(*jobs))
    assert not plan(spec_file).has_work
    more = plan(spec_file, models=["alpha", "beta", {"model": "alpha", "adapter": "wit"}])
    assert [model.to_generate for model in more.by_model()] == [0, QUESTIONS, QUESTIONS]
    controlled = plan(spec_file, controls=["none", "wrong_image"])
    assert {job.variant.control for job in controlled.to_generate} == {"wrong_image"}
    assert len(controlled.to_generate) == QUESTIONS


def test_a_changed_picture_is_a_new_question(spec_file: Path) -> None:
    jobs = plan(spec_file).jobs
    store(spec_file, Table.GENERATIONS, generated(*jobs))
    (spec_file.parent / "images" / "3.png").write_bytes(b"another picture")
    assert [job.question.artwork for job in plan(spec_file).to_generate] == ["Work 3"] * 2


def test_the_last_scores_of_an_explanation_count(spec_file: Path) -> None:
    jobs = plan(spec_file).jobs
    store(spec_file, Table.GENERATIONS, generated(*jobs))
    later = NOW + timedelta(seconds=1)
    # Written in the other order: by the time, not by the place, they are the last.
    store(spec_file, Table.SCORES, scores(*jobs, signatures="s2", at=later))
    store(spec_file, Table.SCORES, scores(*jobs, signatures="s1"))
    first, second = jobs[:2]
    outdated = scores(second, at=later + timedelta(seconds=1), reference="another")
    store(spec_file, Table.SCORES, outdated)
    again = plan(spec_file)
    assert again.stored.scored[first.key] == (first.reference_digest, "s2")
    assert again.to_score == (second,)


def test_scores_from_before_scoring_failed_for_good_count_no_more(spec_file: Path) -> None:
    jobs = plan(spec_file).jobs
    store(spec_file, Table.GENERATIONS, generated(*jobs))
    store(spec_file, Table.SCORES, scores(*jobs))
    failures: list[dict[str, object]] = [
        {
            "key": job.key,
            "stage": Stage.SCORING.value,
            "reason": "INVALID_REQUEST",
            "final": True,
            "reference_digest": job.reference_digest,
            "failed_at": NOW + timedelta(seconds=delay),
        }
        for job, delay in ((jobs[0], 1), (jobs[1], -1))
    ]
    store(spec_file, Table.FAILURES, failures)
    again = plan(spec_file)
    assert jobs[0].key not in again.stored.scored
    assert jobs[1].key in again.stored.scored
    assert not again.has_work
    retried = plan_sweep(load_spec(spec_file), DIRECTORY, retry_failed=True)
    assert retried.to_score == (jobs[0],)


def test_failed_questions_are_not_asked_again_unless_wanted(spec_file: Path) -> None:
    jobs = plan(spec_file).jobs
    failure = {"stage": "generation", "reason": "INVALID_ARGUMENT", "failed_at": NOW}
    rows = [{**failure, "key": job.key, "final": job is jobs[0]} for job in jobs[:2]]
    store(spec_file, Table.FAILURES, [*rows, {**failure, "key": "q2-unplanned", "final": True}])
    assert plan(spec_file).to_generate == jobs[1:]
    retried = plan_sweep(load_spec(spec_file), DIRECTORY, retry_failed=True)
    assert retried.to_generate == jobs
    assert plan_again(retried).to_generate == jobs


def test_a_missing_picture_sets_its_questions_apart(spec_file: Path) -> None:
    (spec_file.parent / "images" / "2.png").unlink()
    made = plan(spec_file, controls=["none", "wrong_image", "no_image"])
    assert {job.question.artwork for job in made.without_picture} == {"Work 2"}
    assert {job.variant.control for job in made.without_picture} == {"none"}
    assert list(made.missing_pictures) == ["images/2.png"]
    for work in range(6):
        (spec_file.parent / "images" / f"{work}.png").unlink(missing_ok=True)
    with pytest.raises(UserInputError, match="not one picture can be found; the first: picture"):
        plan(spec_file)
    assert len(plan(spec_file, controls=["no_image"]).to_generate) == QUESTIONS


def test_a_shard_may_be_empty_and_a_sweep_may_not(spec_file: Path) -> None:
    counts = [len(plan(spec_file, Shard(index, 40)).jobs) for index in range(40)]
    assert sum(counts) == QUESTIONS
    assert 0 in counts
    empty = plan(spec_file, Shard(counts.index(0), 40))
    assert json.loads(as_json(report_on(empty)))["questions"]["planned"] == 0
    with pytest.raises(UserInputError, match="no question in settings with_title, without_title"):
        plan(spec_file, filters={"has_entities": False})


def test_a_shard_all_of_whose_pictures_are_missing_says_so_of_its_questions(
    spec_file: Path,
) -> None:
    (spec_file.parent / "images" / "3.png").unlink()
    shards = [plan(spec_file, Shard(index, 40)) for index in range(40)]
    # Of 40 shards, 6 artworks leave one to itself that has no other.
    works = [{job.question.artwork for job in shard.jobs} for shard in shards]
    alone = shards[works.index({"Work 3"})]
    assert len(alone.without_picture) == len(alone.jobs) == 2
    assert not alone.has_work
    assert list(alone.missing_pictures) == ["images/3.png"]


def test_an_unknown_adapter_is_named(spec_file: Path) -> None:
    with pytest.raises(UserInputError, match="model 'alpha' has no adapter 'wot'; it has wit"):
        plan(spec_file, models=[{"model": "alpha", "adapter": "wot"}])


def test_the_report_counts_estimates_and_says_what_is_done(spec_file: Path) -> None:
    # 24 questions, of which 20 are answered, one a second.
    changes: dict[str, object] = {"replicates": 2}
    jobs = plan(spec_file, **changes).jobs
    store(spec_file, Table.GENERATIONS, generated(*jobs[:20]))
    made = plan(spec_file, **changes)
    document = json.loads(as_json(report_on(made)))
    assert document["format"] == "expart-sweep-plan/1"
    assert document["questions"] == {
        "planned": 24,
        "done": 20,
        "failed": 0,
        "to_ask": 4,
        "to_score": 20,
    }
    assert document["pictures"] == {
        "found": 6,
        "bytes": 6 * len(b"picture 0"),
        "missing": {},
        "missing_by_reason": {},
        "questions_without_picture": 0,
    }
    (model,) = document["estimate"]["models"]
    assert (model["input_tokens"], model["output_tokens"]) == (4 * 110, 4 * 20)
    assert model["seconds"] == pytest.approx(4)  # 20 answers in 19 s: 19 gaps of one second
    assert model["basis"] == "measured over 20 stored answers"
    assert document["estimate"]["assumptions"] == assumptions()
    assert document["notes"] == [
        "sampling default is greedy: its replicates differ only as far as the engine does"
    ]
    assert {(cell["setting"], cell["part"], cell["control"]) for cell in document["cells"]} == {
        ("with_title", "seen", "none"),
        ("without_title", "seen", "none"),
    }


def test_a_finished_sweep_says_so(spec_file: Path) -> None:
    jobs = plan(spec_file).jobs
    store(spec_file, Table.GENERATIONS, generated(*jobs))
    store(spec_file, Table.SCORES, scores(*jobs))
    report = report_on(plan(spec_file))
    assert report.notes() == ["nothing is left to do: running the sweep asks for nothing"]
    assert report.estimate.seconds == 0


def test_planning_writes_nothing(spec_file: Path) -> None:
    before = sorted(spec_file.parent.rglob("*"))
    plan(spec_file)
    assert sorted(spec_file.parent.rglob("*")) == before


def test_renaming_prompt_and_sampling_asks_nothing_again_and_tables_show_the_new_names(
    spec_file: Path,
) -> None:
    def named(name: str) -> SweepPlan:
        spec = yaml.safe_load(spec_file.read_text())
        spec.pop("sampling", None)
        spec |= {"prompts": {name: {}}, "samplings": {name: {"temperature": 0}}}
        spec_file.write_text(yaml.safe_dump(spec))
        return plan_sweep(load_spec(spec_file), DIRECTORY)

    def shown() -> tuple[tuple[str, ...], ...]:
        columns = read_stored_plan(ResultStore(load_spec(spec_file).output)).columns
        return columns["prompt"].values, columns["sampling_name"].values

    before = named("old")
    record_plan(before)
    store(spec_file, Table.GENERATIONS, generated(*before.jobs))
    store(spec_file, Table.SCORES, scores(*before.jobs))
    assert shown() == (("old",), ("old",))

    after = named("new")
    assert not after.has_work
    record_plan(after)
    assert shown() == (("new",), ("new",))


def test_a_section_that_is_corrected_asks_nothing_again_and_tables_show_it(spec_file: Path) -> None:
    before = plan(spec_file)
    record_plan(before)
    store(spec_file, Table.GENERATIONS, generated(*before.jobs))
    store(spec_file, Table.SCORES, scores(*before.jobs))
    dataset = spec_file.parent / "test_seen.json"
    records = json.loads(dataset.read_text())
    records[0]["section"] = "Origin"
    dataset.write_text(json.dumps(records))

    after = plan(spec_file)
    assert not after.has_work
    record_plan(after)
    stored = read_stored_plan(ResultStore(after.spec.output))
    assert stored.text("section", 0) == "Origin"


def test_a_driver_that_dies_between_plan_and_manifest_leaves_no_plan_that_is_two(
    spec_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise OSError("killed")

    def kinds() -> set[Kind]:
        return {one.kind for one in verify_output(ResultStore(first.spec.output)).findings}

    first = plan(spec_file)
    record_plan(first)
    with monkeypatch.context() as patched:
        patched.setattr(runner, "write_manifest", die)
        with pytest.raises(OSError, match="killed"):
            record_plan(plan(spec_file, controls=["no_image"]))
    assert Kind.PLAN_UNFINISHED in kinds()
    # Back to the first spec: nothing of the other one's plan stays.
    record_plan(first)
    assert kinds() == {Kind.WITHOUT_RESULT}
    stored = read_stored_plan(ResultStore(first.spec.output))
    assert set(stored.keys.to_pylist()) == {job.key for job in first.jobs}


def test_what_asks_nothing_else_makes_no_other_plan(spec_file: Path) -> None:
    def manifest(**changes: object) -> Manifest:
        return new_manifest(plan(spec_file, **changes), NOW, None)

    paced: dict[str, object] = {
        "name": "other",
        "concurrency": 3,
        "deadline_s": 10,
        "output": "elsewhere",
        "metrics": ["length"],
        "prices": {"models": {"alpha": {"per_gpu_hour": 1}}},
    }
    usual = manifest()
    assert manifest(**paced).differences(usual) == ()
    assert manifest(sampling={"temperature": 1}).differences(usual) == ("spec",)
    assert manifest(models=["beta"]).differences(usual) == ("spec", "models")


def test_a_chat_template_that_changes_is_a_new_question(spec_file: Path) -> None:
    keys = []
    for digest in ("", "sha256:1", "sha256:2"):
        directory = FixedDirectory([ModelDescription("alpha", "r1", (), digest)], "the test")
        planned = plan_sweep(load_spec(spec_file), directory)
        keys.append({job.key for job in planned.jobs})
    assert len(keys[0] | keys[1] | keys[2]) == 3 * QUESTIONS


def test_an_adapter_or_a_configuration_that_changes_is_a_new_question(spec_file: Path) -> None:
    keys: list[set[str]] = []
    choice: dict[str, object] = {"models": [{"model": "alpha", "adapter": "wit"}]}
    for adapter, configuration in (("a1", "c1"), ("a2", "c1"), ("a1", "c2")):
        described = ModelDescription(
            "alpha",
            "r1",
            ("wit",),
            adapter_revisions={"wit": adapter},
            configuration_digest=configuration,
        )
        spec = load_spec(write_spec(spec_file.parent, **choice))
        planned = plan_sweep(spec, FixedDirectory([described], "the test"))
        keys.append({job.key for job in planned.jobs})
    assert len(keys[0] | keys[1] | keys[2]) == 3 * QUESTIONS


def failed(name: str) -> ModelDescription:
    return ModelDescription(name, "", failure="no weights")


def test_a_model_that_is_not_there_is_left_out_and_named(spec_file: Path) -> None:
    spec = load_spec(write_spec(spec_file.parent, models=["alpha", "beta"]))
    known = FixedDirectory([ModelDescription("alpha", "r1"), failed("beta")], "the test")
    planned = plan_sweep(spec, known)
    why = "model 'beta' in the test could not be loaded, and its revision is not known: no weights"
    assert [model.label for model in planned.models] == ["alpha"]
    assert len(planned.jobs) == QUESTIONS
    assert dict(planned.left_out) == {"beta": why}
    assert f"  beta: left out, {why}" in planned.summary().splitlines()
    assert report_on(planned).notes() == [f"beta is left out: {why}"]
    assert json.loads(as_json(report_on(planned)))["left_out"] == {"beta": why}
    assert plan_again(planned).left_out == planned.left_out


def test_a_sweep_of_no_model_that_is_there_is_refused(spec_file: Path) -> None:
    spec = load_spec(write_spec(spec_file.parent, models=["alpha", "beta"]))
    nobody = FixedDirectory([failed("alpha"), failed("beta")], "the test")
    with pytest.raises(UserInputError, match=r"'alpha' .*could not be loaded.*: no weights"):
        plan_sweep(spec, nobody)


def test_questions_that_were_planned_are_not_dropped_because_their_model_is_not_there(
    spec_file: Path,
) -> None:
    spec = load_spec(write_spec(spec_file.parent, models=["alpha", "beta"]))
    record_plan(plan_sweep(spec, DIRECTORY))
    known = FixedDirectory([ModelDescription("alpha", "r1"), failed("beta")], "the test")
    with pytest.raises(UserInputError, match=r"no weights; .* has questions of it"):
        record_plan(plan_sweep(spec, known))
    stored = read_stored_plan(ResultStore(spec.output))
    assert len(stored.keys) == 2 * QUESTIONS


def test_an_adapter_whose_revision_nobody_knows_is_not_asked(spec_file: Path) -> None:
    directory = FixedDirectory([ModelDescription("alpha", "r1", ("wit",))], "the test")
    spec = load_spec(write_spec(spec_file.parent, models=[{"model": "alpha", "adapter": "wit"}]))
    with pytest.raises(UserInputError, match="revision of adapter 'wit' of model 'alpha' is not"):
        plan_sweep(spec, directory)


@pytest.mark.parametrize(("controls", "count"), [(["none"], 0), (["none", "no_image"], 1)])
def test_a_model_that_needs_a_picture_is_named_where_there_is_to_be_none(
    spec_file: Path, controls: list[str], count: int
) -> None:
    known = [ModelDescription("alpha", "r1", requires_image=True), ModelDescription("beta", "r1")]
    path = write_spec(spec_file.parent, models=["alpha", "beta"], controls=controls)
    notes = report_on(plan_sweep(load_spec(path), FixedDirectory(known, "the test"))).notes()
    assert len(notes) == count
    assert all("without a picture are refused by alpha: " in note for note in notes)
