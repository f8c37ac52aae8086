"""The leaderboard of a sweep's output: built from its tables, written as JSON and CSV."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.benchmark.records import Part, Setting
from services.core.errors import UserInputError
from services.metrics.outcome import UnscorableReason
from services.metrics.score_columns import ScoreColumns, aggregate_columns
from services.metrics.statistics import Aggregate, NoPairsConvention
from services.sweep.leaderboard.files import CSV_FILE, JSON_FILE, as_csv, as_json
from services.sweep.leaderboard.standings import (
    ALL_PARTS,
    Group,
    Leaderboard,
    MetricStanding,
    Standing,
)
from services.sweep.leaderboard.table import render_leaderboard
from services.sweep.results.store import ResultStore
from services.sweep.results.stored_columns import Indices, combined
from services.sweep.results.stored_plan import StoredPlan, read_stored_plan
from services.sweep.results.stored_scores import StoredScores
from services.sweep.spec.controls import Control

__all__ = ["build_leaderboard", "render_leaderboard", "write_leaderboard"]

_GROUPED = ("prompt", "sampling_name", "control", "setting", "part")

# An answer's question, by what names it once in a dataset.
_QUESTION = ("split", "question")


def build_leaderboard(output: str | Path) -> Leaderboard:
    """Builds the leaderboard of the questions that are planned now, over all shards.

    Args:
        output: The sweep's output: a folder or a URI.

    Raises:
        UserInputError: There is no sweep, or scores of different signatures.
    """
    store = ResultStore(output)
    plan = read_stored_plan(store, with_stale=False, texts=("revision", *_QUESTION, *_GROUPED))
    stored = StoredScores([store.tables(shard) for shard in store.shards()], plan)
    _refuse_mixed_signatures(stored, store.uri)
    failed = np.flatnonzero(stored.failures.is_failed & ~stored.is_scored)
    return Leaderboard(
        standings=tuple(_standing(group, places, stored) for group, places in _groups(plan)),
        metrics=stored.metrics,
        failures=stored.failures.counts(failed),
        to_ask_again=int(np.count_nonzero(~stored.failures.is_for_good[failed])),
        partly_scored={
            metric: count
            for metric in stored.metrics
            if (count := stored.count(metric)) < np.count_nonzero(stored.is_scored)
        },
        missing_shards=plan.missing_shards,
        stale_shards=plan.stale_shards,
    )


def write_leaderboard(board: Leaderboard, output: str | Path) -> None:
    """Writes ``leaderboard.json`` and ``leaderboard.csv``; shares in them are times 100.

    Raises:
        UserInputError: The output cannot be written.
    """
    store = ResultStore(output)
    store.write_text(JSON_FILE, as_json(board))
    store.write_text(CSV_FILE, as_csv(board))


def _groups(plan: StoredPlan) -> list[tuple[Group, Indices]]:
    """Places of the questions of each row, in the order of the rows."""
    columns = [plan.model, plan.columns["revision"], *(plan.columns[name] for name in _GROUPED)]
    found: list[tuple[Group, Indices]] = []
    for chosen in (columns, columns[:-1]):
        _, first, inverse = np.unique(combined(chosen), return_index=True, return_inverse=True)
        order = np.argsort(inverse, kind="stable")
        bounds = np.cumsum(np.bincount(inverse, minlength=len(first)))[:-1]
        for row, places in zip(first.tolist(), np.split(order, bounds), strict=True):
            texts = [column.text(row) for column in chosen]
            if not texts[-1]:
                continue  # of train and dev, which have no parts
            model, revision, prompt, sampling, control, setting, *part = texts
            group = Group(
                model=model,
                revision=revision,
                prompt=prompt,
                sampling=sampling,
                control=Control(control),
                setting=Setting(setting),
                part=part[0] if part else ALL_PARTS,
            )
            found.append((group, places))
    return sorted(found, key=lambda item: _rank(item[0], plan))


def _rank(group: Group, plan: StoredPlan) -> tuple[int, ...]:
    """As the spec names them: the plan is in its order."""
    return (
        plan.model.values.index(group.model),
        plan.columns["revision"].values.index(group.revision),
        plan.columns["prompt"].values.index(group.prompt),
        plan.columns["sampling_name"].values.index(group.sampling),
        list(Control).index(group.control),
        list(Setting).index(group.setting),
        (*Part, ALL_PARTS).index(group.part),
    )


def _refuse_mixed_signatures(stored: StoredScores, output: str) -> None:
    for metric in stored.metrics:
        signatures = stored.signatures(metric)
        if len(signatures) > 1:
            raise UserInputError(
                f"{output}: scores of {metric} carry different signatures and cannot stand in one "
                f"table: {' and '.join(signatures)}; expart sweep rescore {output} scores them "
                "alike"
            )


def _standing(group: Group, places: Indices, stored: StoredScores) -> Standing:
    is_scored = stored.is_scored[places]
    scored, others = places[is_scored], places[~is_scored]
    failed = int(np.count_nonzero(stored.failures.is_failed[others]))
    questions = _questions(places, stored.plan)
    replicates = int(stored.plan.replicate[places].max()) + 1
    metrics = {
        metric: standing
        for metric in stored.metrics
        if (standing := _metric(metric, scored, stored, replicates)) is not None
    }
    return Standing(
        group=group,
        questions=len(np.unique(questions)),
        replicates=replicates,
        planned=len(places),
        scored=len(scored),
        failed=failed,
        pending=len(others) - failed,
        truncated=int(np.count_nonzero(stored.is_truncated[scored])),
        unscorable=int(np.count_nonzero(stored.is_unscorable(scored))),
        metrics=metrics,
    )


def _questions(places: Indices, plan: StoredPlan) -> Indices:
    """Numbers that are equal where places are replicates of one question in one group."""
    found: Indices = combined([plan.columns[name] for name in _QUESTION])[places]
    return found


def _metric(
    metric: str, places: Indices, stored: StoredScores, replicates: int
) -> MetricStanding | None:
    present, scores = stored.scores(metric, places)
    if not len(scores):
        return None
    if replicates > 1:
        scores = scores.averaged_by(_questions(present, stored.plan))
    result = aggregate_columns(scores)
    return MetricStanding(
        mean=result.mean,
        corpus_value=result.corpus_value,
        corpus_signature=_signed(result.corpus_signature, replicates),
        mean_with_zeros=_mean_with_zeros(result, scores),
        scored_count=result.scored_count,
        unscorable_counts={
            reason.value: count for reason, count in result.unscorable_counts.items()
        },
        signature=_signed(result.signature, replicates) or "",
    )


def _mean_with_zeros(result: Aggregate, scores: ScoreColumns) -> float | None:
    if UnscorableReason.NO_REFERENCE_PAIRS not in result.unscorable_counts:
        return None
    return aggregate_columns(scores, NoPairsConvention.COUNT_AS_ZERO).mean


def _signed(signature: str | None, replicates: int) -> str | None:
    """Says in a signature that replicates were averaged first, where there are any."""
    if signature is None or replicates == 1:
        return signature
    parts: Sequence[str] = signature.split("|")
    return "|".join((*parts[:-1], f"replicates:{replicates}-averaged-first", parts[-1]))
