"""Verification: a sound output has no finding, and each thing that is wrong is named."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from services.metrics.registry import METRICS
from services.sweep.results.keys import PLAN_DIGEST_COLUMNS, plan_digest, signatures_digest
from services.sweep.results.manifest import note_replacing, read_manifest, write_manifest
from services.sweep.results.rows import (
    FailureRow,
    GenerationRow,
    PlanRow,
    ScoreRow,
    Stage,
    Table,
)
from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.review.verify import verify_output
from services.sweep.review.verify_findings import Finding, Kind, Verification
from services.sweep.spec.sharding import Shard, shard_of
from services.sweep.spec.spec import SweepSpec
from services.sweep.spec.spec_digest import spec_digest
from tests.unit.sweep.finished_sweep import FAILURE, GENERATION, NOW, PLAN, begin_shard

SIGNATURES = {"ec_exact": "ec_exact|v:1", "length": "length|v:1"}
LATER = NOW + timedelta(seconds=1)


def begin(output: Path, plan: Sequence[PlanRow], shard: Shard | None = None) -> ResultTables:
    """Begins a shard, with the digest of its plan in the manifest."""
    tables = begin_shard(output, plan, shard)
    folder = ResultStore(output).folder(shard or Shard())
    manifest = read_manifest(folder)
    assert manifest is not None
    named = (tuple(getattr(row, name) for name in PLAN_DIGEST_COLUMNS) for row in plan)
    manifest.plan_digest = plan_digest(named)
    write_manifest(manifest, folder)
    return tables


def scoring(key: str, **changes: object) -> list[ScoreRow]:
    """The two scores of an answer, computed together."""
    rows = [
        ScoreRow(
            key=key,
            reference_digest="d1",
            signatures_digest=signatures_digest(SIGNATURES),
            metric=metric,
            value=1.0,
            unscorable=None,
            statistics=(1.0,) * len(METRICS[metric].statistic_names),
            signature=signature,
            scored_at=NOW,
        )
        for metric, signature in SIGNATURES.items()
    ]
    return [replace(row, **changes) for row in rows]  # type: ignore[arg-type]


def planned(key: str) -> PlanRow:
    return replace(PLAN, key=key, question=key)


def generated(key: str) -> GenerationRow:
    return replace(GENERATION, key=key, question=key)


def failed(key: str, **changes: object) -> FailureRow:
    return replace(FAILURE, key=key, **changes)  # type: ignore[arg-type]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Three questions answered and scored, and one that failed for good."""
    path = tmp_path / "out"
    tables = begin(path, [planned(key) for key in ("a", "b", "c", "f")])
    tables.append([generated(key) for key in ("a", "b", "c")])
    tables.append([failed("f")])
    tables.append([row for key in ("a", "b", "c") for row in scoring(key)])
    return path


def tables_of(output: Path) -> ResultTables:
    return ResultStore(output).tables(Shard())


def verify(output: Path) -> Verification:
    return verify_output(ResultStore(output))


def found(output: Path) -> dict[Kind, Finding]:
    return {finding.kind: finding for finding in verify(output).findings}


def the_only(output: Path, *expected: Kind) -> Finding:
    """What was found besides the failure that every output here has."""
    findings = found(output)
    findings.pop(Kind.FAILED_FOR_GOOD, None)
    assert set(findings) == set(expected)
    return findings[expected[0]]


def test_a_finished_sweep_is_sound_and_complete(output: Path) -> None:
    result = verify(output)
    assert (result.planned, result.generated, result.failed, result.scored) == (4, 3, 1, 3)
    assert [finding.kind for finding in result.findings] == [Kind.FAILED_FOR_GOOD]
    assert result.is_sound
    assert result.is_complete
    assert "each planned question is there exactly once" in result.describe()
    assert "f (alpha, test_seen/f/with_title): INVALID_REQUEST" in result.describe()


def test_what_is_not_done_yet_is_open_and_no_fault(output: Path) -> None:
    tables = tables_of(output)
    keys = ("a", "b", "c", "f", "new", "later", "bare")
    begin(output, [planned(key) for key in keys])
    tables.append([generated("bare")])
    tables.append([failed("later", reason="DRAINING", final=False)])
    findings = found(output)
    assert findings[Kind.WITHOUT_RESULT].examples == ("new (alpha, test_seen/new/with_title)",)
    assert findings[Kind.FAILED_FOR_NOW].count == 1
    assert "DRAINING" in findings[Kind.FAILED_FOR_NOW].examples[0]
    assert findings[Kind.UNSCORED].count == 1
    result = verify(output)
    assert result.is_sound
    assert not result.is_complete
    assert "run it again" in result.describe()


def test_an_answer_after_a_failure_is_one_result_and_one_after_another_is_not(
    output: Path,
) -> None:
    tables = tables_of(output)
    tables.append([failed("a", final=False)])
    assert set(found(output)) == {Kind.FAILED_FOR_GOOD}
    tables.append([generated("a")])
    assert the_only(output, Kind.GENERATED_TWICE).count == 1
    assert not verify(output).is_sound


def test_answers_to_something_else_than_planned_are_named_with_both_sides(output: Path) -> None:
    begin(output, [planned(key) for key in ("a", "b", "c", "f", "g", "h")])
    tables = tables_of(output)
    tables.append(
        [
            replace(generated("g"), image_digest="sha256:1"),
            replace(generated("h"), control="no_image", replicate=2),
        ]
    )
    finding = found(output)[Kind.GENERATED_OTHERWISE]
    assert finding.count == 2
    assert "image_digest is 'sha256:1', planned is 'sha256:0'" in finding.examples[0]
    assert "replicate is '2', planned is '0'" in finding.examples[1]


def test_answers_of_earlier_specs_are_noted_and_their_scores_are_no_orphans(output: Path) -> None:
    tables = tables_of(output)
    tables.append([generated("old")])
    tables.append(scoring("old"))
    assert the_only(output, Kind.NOT_PLANNED).examples == ("old",)
    assert verify(output).is_sound


def test_scores_without_an_answer_are_a_fault(output: Path) -> None:
    tables_of(output).append(scoring("ghost"))
    assert the_only(output, Kind.SCORED_WITHOUT_ANSWER).examples == ("ghost",)


def test_a_scoring_that_lacks_a_metric_or_has_one_twice_is_a_fault(output: Path) -> None:
    begin(output, [planned(key) for key in ("a", "b", "c", "f", "g", "h", "i")])
    tables = tables_of(output)
    tables.append([generated(key) for key in ("g", "h", "i")])
    tables.append(scoring("g")[:1])
    tables.append([*scoring("h"), scoring("h")[0]])
    tables.append([*scoring("i")[:1], replace(scoring("i")[1], signature="length|v:2")])
    findings = found(output)
    assert findings[Kind.SCORED_IN_PART].count == 2
    assert set(findings[Kind.SCORED_IN_PART].examples) == {"g: ec_exact", "i: ec_exact, length"}
    assert findings[Kind.SCORED_TWICE].examples == ("h: ec_exact, ec_exact, length",)
    assert set(findings) == {Kind.SCORED_IN_PART, Kind.SCORED_TWICE, Kind.FAILED_FOR_GOOD}


@pytest.mark.parametrize(
    "changes",
    [
        {"value": 1.5},
        {"value": float("nan")},
        {"value": None},
        {"unscorable": "NO_ENTITIES"},
        {"statistics": (1.0,) * 9},
    ],
)
def test_scores_that_cannot_be_are_a_fault(output: Path, changes: dict[str, object]) -> None:
    first, second = scoring("a", scored_at=LATER)
    tables_of(output).append([replace(first, **changes), second])  # type: ignore[arg-type]
    finding = the_only(output, Kind.SCORE_MALFORMED, Kind.SCORED_BEFORE)
    assert finding.count == 1
    assert finding.examples[0].startswith("a: ec_exact is ")


def test_the_last_scoring_counts_and_one_with_other_signatures_is_to_be_made_alike(
    output: Path,
) -> None:
    signatures = {name: f"{text}.next" for name, text in SIGNATURES.items()}
    again = [
        replace(
            row, signature=signatures[row.metric], signatures_digest=signatures_digest(signatures)
        )
        for row in scoring("b", scored_at=LATER)
    ]
    tables_of(output).append(again)
    finding = the_only(output, Kind.SCORED_DIFFERENTLY, Kind.SCORED_BEFORE)
    # The last signatures are b's: a and c are left to be scored by them.
    assert finding.count == 2
    assert not verify(output).is_complete
    # Where the others are another shard's, running this one again would not change them.
    assert verify(output).describe().endswith(f"not finished: expart sweep rescore {output}")


def test_scores_against_another_reference_or_from_before_a_failure_do_not_count(
    output: Path,
) -> None:
    plan = [planned(key) for key in ("a", "b", "c", "f")]
    begin(output, [replace(plan[0], reference_digest="d2"), *plan[1:]])
    tables_of(output).append([failed("b", stage=Stage.SCORING, failed_at=LATER)])
    result = verify(output)
    assert result.scored == 1  # c
    findings = found(output)
    assert findings[Kind.UNSCORED].examples[0].startswith("a ")
    assert findings[Kind.FAILED_FOR_GOOD].count == 2


class BusyTables(ResultTables):
    """Tables of a driver that stores an answer and its scores once the answers have been read."""

    def batches(
        self,
        table: Table,
        columns: Sequence[str],
        where: pc.Expression | None = None,
        *,
        coded: Sequence[str] = (),
    ) -> Iterator[pa.RecordBatch]:
        yield from super().batches(table, columns, where, coded=coded)
        if table == Table.GENERATIONS:
            driver = ResultTables(self.folder)
            driver.append([generated("late")])
            driver.append(scoring("late"))


class BusyStore(ResultStore):
    """An output that a driver is writing."""

    def tables(self, shard: Shard) -> ResultTables:
        """Tables of a shard."""
        return BusyTables(self.folder(shard))


def test_what_a_driver_stores_meanwhile_is_no_fault(output: Path) -> None:
    begin(output, [planned(key) for key in ("a", "b", "c", "f", "late")])
    result = verify_output(BusyStore(output))
    assert result.is_sound
    assert (result.generated, result.scored) == (3, 3)
    assert verify(output).scored == 4


@pytest.mark.parametrize(
    ("noted", "differs"),
    [
        ({"spec_digest": "sha256:1"}, "spec"),
        ({"dataset_digest": "sha256:1", "mapping": "conversations"}, "dataset, mapping"),
        ({"revisions": {"alpha": "r2"}}, "models"),
        ({"model_digests": {"alpha": "sha256:1"}}, "models"),
        ({"key_version": "q3"}, "key version"),
    ],
)
def test_shards_of_different_plans_are_not_one_plan(
    tmp_path: Path, noted: dict[str, object], differs: str
) -> None:
    output = tmp_path / "out"
    own = shard_of(PLAN.artwork, 2)
    begin(output, [planned("a")], Shard(own, 2))
    begin(output, [], Shard(1 - own, 2))
    assert Kind.SPECS_DIFFER not in found(output)
    store = ResultStore(output)
    folder = store.folder(Shard(1 - own, 2))
    manifest = read_manifest(folder)
    assert manifest is not None
    changed = {"planned_at": NOW - timedelta(hours=1), **noted}
    write_manifest(manifest.model_copy(update=changed), folder)
    finding = found(output)[Kind.SPECS_DIFFER]
    assert finding.examples == (f"{Shard(1 - own, 2).label}: another {differs}",)


def test_a_spec_that_asks_something_else_than_was_planned_is_open(output: Path) -> None:
    store = ResultStore(output)
    folder = store.folder(Shard())
    manifest = read_manifest(folder)
    assert manifest is not None
    spec = a_spec(models=["alpha"])
    write_manifest(manifest.model_copy(update={"spec_digest": spec_digest(spec)}), folder)
    assert Kind.SPEC_CHANGED not in kinds(verify_output(store, spec))
    # How fast and at what price asks nothing else.
    assert Kind.SPEC_CHANGED not in kinds(verify_output(store, a_spec(["alpha"], concurrency=3)))
    changed = verify_output(store, a_spec(["alpha", "beta"]))
    assert Kind.SPEC_CHANGED in kinds(changed)
    assert not changed.is_complete


def a_spec(models: list[str], **declared: object) -> SweepSpec:
    return SweepSpec.model_validate(
        {"dataset": {"folder": "data"}, "output": "out", "models": models, **declared}
    )


def kinds(verification: Verification) -> set[Kind]:
    return {finding.kind for finding in verification.findings}


def test_a_plan_that_is_being_replaced_is_open_and_no_fault(output: Path) -> None:
    folder = ResultStore(output).folder(Shard())
    manifest = read_manifest(folder)
    assert manifest is not None
    note_replacing(manifest, folder)
    assert the_only(output, Kind.PLAN_UNFINISHED).count == 1
    assert verify(output).is_sound


def test_a_plan_that_is_not_the_manifests_is_a_fault(output: Path) -> None:
    tables_of(output).replace_plan([planned(key) for key in ("a", "b", "c", "x")])
    findings = found(output)
    assert findings[Kind.PLAN_CHANGED].count == 1
    tables_of(output).replace_plan([planned("a")])
    assert "names 4 questions, the table has 1" in found(output)[Kind.PLAN_CHANGED].examples[0]


def test_shards_are_taken_together_and_what_lies_in_the_wrong_one_is_named(tmp_path: Path) -> None:
    output = tmp_path / "out"
    own = shard_of(PLAN.artwork, 2)
    rows = [planned("a"), planned("b")]
    right = begin(output, rows[:1], Shard(own, 2))
    assert found(output)[Kind.SHARD_NOT_BEGUN].count == 1
    wrong = begin(output, rows, Shard(1 - own, 2))
    right.append([generated("a")])
    wrong.append([generated("b")])
    findings = found(output)
    assert findings[Kind.PLANNED_TWICE].examples == ("a",)
    # a was planned in either shard, and where its first row lies hangs on their numbers.
    assert findings[Kind.PLANNED_ELSEWHERE].count in {1, 2}
    assert findings[Kind.GENERATED_ELSEWHERE].examples == (f"b in {Shard(1 - own, 2).label}",)
