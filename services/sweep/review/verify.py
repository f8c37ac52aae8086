"""Checks the tables of an output against the plan, and against each other."""

from collections.abc import Iterator

import numpy as np

from services.sweep.results.keys import PLAN_DIGEST_COLUMNS, plan_digest
from services.sweep.results.manifest import Manifest, last_planned, read_manifest
from services.sweep.results.rows import Table
from services.sweep.results.store import ResultStore
from services.sweep.results.stored_failures import StoredFailures
from services.sweep.results.stored_plan import StoredPlan, read_stored_plan
from services.sweep.review.verify_answers import AnswerCheck
from services.sweep.review.verify_findings import Findings, Kind, Verification
from services.sweep.review.verify_scores import ScoreCheck
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import SweepSpec
from services.sweep.spec.spec_digest import spec_digest


def verify_output(store: ResultStore, spec: SweepSpec | None = None) -> Verification:
    """Checks that each planned question is there exactly once, with scores that belong to it.

    Memory grows with the number of answers, not with their texts.

    Args:
        store: The output.
        spec: What the plan is to be of; by default whatever it is of.

    Raises:
        UserInputError: There is no sweep, or its tables cannot be read.
    """
    plan = read_stored_plan(store)
    findings = Findings()
    _check_plan(store, plan, findings)
    if spec is not None:
        _check_spec(store, spec, findings)
    shards = store.shards()
    tables = [store.tables(shard) for shard in shards]
    for each in tables:
        # As they are now: a driver may be writing, and stores answers before their scores.
        each.pin(Table.SCORES)
    answers = AnswerCheck(plan)
    for shard, each in zip(shards, tables, strict=True):
        answers.read(shard, each)
    answers.report(findings)
    failures = StoredFailures(tables, plan, answers.is_generated)
    scores = ScoreCheck(plan, answers.keys, answers.has_answer)
    for each in tables:
        scores.read(each)
    scores.report(tables, findings)
    is_scored = scores.is_scored(failures.scoring_failed_at)
    _check_results(plan, answers, failures, is_scored, findings)
    return Verification(
        output=store.uri,
        planned=len(plan),
        generated=int(np.count_nonzero(answers.is_generated)),
        failed=int(np.count_nonzero(failures.is_failed & ~answers.is_generated)),
        scored=int(np.count_nonzero(is_scored)),
        findings=findings.result(),
    )


def _check_plan(store: ResultStore, plan: StoredPlan, findings: Findings) -> None:
    findings.add(Kind.SHARD_NOT_BEGUN, len(plan.missing_shards), plan.missing_shards)
    findings.add(Kind.PLANNED_TWICE, len(plan.repeated), plan.repeated)
    artworks = plan.columns["artwork"]
    belongs = np.zeros(len(plan), np.bool_)
    for number, label in enumerate(plan.shard_names):
        shard = Shard.parse(label)
        is_held = np.array([shard.holds(artwork) for artwork in artworks.values], np.bool_)
        belongs |= (plan.shard == number) & is_held[artworks.codes]
    wrong = np.flatnonzero(~belongs)
    findings.add(Kind.PLANNED_ELSEWHERE, len(wrong), map(plan.describe, wrong.tolist()))
    last = last_planned(store)
    for label in plan.shard_names:
        manifest = read_manifest(store.folder(Shard.parse(label)))
        if manifest is None:
            findings.add(Kind.PLAN_CHANGED, 1, [f"{label} has no manifest"])
            continue
        if last is not None and (differences := manifest.differences(last)):
            findings.add(Kind.SPECS_DIFFER, 1, [f"{label}: another {', '.join(differences)}"])
        if not manifest.plan_digest:
            findings.add(Kind.PLAN_UNFINISHED, 1, [label])
        elif said := _difference(store, manifest, label):
            # A driver may just have replaced the one and not yet the other.
            again = read_manifest(store.folder(Shard.parse(label)))
            if again is not None and not again.plan_digest:
                findings.add(Kind.PLAN_UNFINISHED, 1, [label])
            elif again is None or again == manifest or _difference(store, again, label):
                findings.add(Kind.PLAN_CHANGED, 1, [said])


def _check_spec(store: ResultStore, spec: SweepSpec, findings: Findings) -> None:
    last = last_planned(store)
    if last is not None and last.spec_digest != spec_digest(spec):
        findings.add(Kind.SPEC_CHANGED, 1, [spec.name])


def _difference(store: ResultStore, manifest: Manifest, label: str) -> str:
    """Says in what a shard's plan is not the one that its manifest names; empty if it is."""
    rows = 0

    def planned() -> Iterator[tuple[str, ...]]:
        nonlocal rows
        tables = store.tables(Shard.parse(label))
        for batch in tables.batches(Table.PLAN, PLAN_DIGEST_COLUMNS):
            rows += batch.num_rows
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    found = plan_digest(planned())
    if rows != manifest.questions:
        return (
            f"{label}: the manifest names {manifest.questions:,} questions, the table has {rows:,}"
        )
    if manifest.plan_digest != found:
        return f"{label}: the manifest names {manifest.plan_digest[:19]}, the table is {found[:19]}"
    return ""


def _check_results(
    plan: StoredPlan,
    answers: AnswerCheck,
    failures: StoredFailures,
    is_scored: np.ndarray[tuple[int], np.dtype[np.bool_]],
    findings: Findings,
) -> None:
    """Says of each planned question that is not answered and scored what became of it."""
    is_failed, for_good = failures.is_failed, failures.is_for_good
    unsettled = ~np.where(answers.is_generated, is_scored, False)
    open_kind = {
        Kind.WITHOUT_RESULT: ~answers.is_generated & ~is_failed,
        Kind.FAILED_FOR_NOW: unsettled & is_failed & ~for_good,
        Kind.FAILED_FOR_GOOD: unsettled & is_failed & for_good,
        Kind.UNSCORED: answers.is_generated & ~is_scored & ~is_failed,
    }
    for kind, chosen in open_kind.items():
        places = np.flatnonzero(chosen)

        def named(place: int) -> str:
            reason = f": {failures.reason(place)}" if failures.is_failed[place] else ""
            return plan.describe(place) + reason

        findings.add(kind, len(places), map(named, places.tolist()))
