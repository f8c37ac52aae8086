"""The leaderboard of an output folder: built, written as JSON and CSV, shown in the terminal."""

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from services.benchmark.records import Setting
from services.core.errors import UserInputError
from services.metrics.outcome import UnscorableReason
from services.metrics.statistics import NoPairsConvention, aggregate
from services.sweep.manifest import write_atomically
from services.sweep.rows import Table
from services.sweep.spec import ModelChoice
from services.sweep.standings import ALL_PARTS, Leaderboard, MetricStanding, Standing, reported
from services.sweep.standings_table import render_leaderboard
from services.sweep.stored_scores import Indices, StoredScores
from services.sweep.tables import ResultTables

__all__ = ["build_leaderboard", "render_leaderboard", "write_leaderboard"]

JSON_FILE = "leaderboard.json"
CSV_FILE = "leaderboard.csv"


class _Planned(NamedTuple):
    key: str
    reference_digest: str
    model: str
    revision: str
    setting: Setting
    part: str | None


class _Group(NamedTuple):
    model: str
    revision: str
    setting: Setting
    part: str


def build_leaderboard(output: Path) -> Leaderboard:
    """Builds the leaderboard of the questions that the output folder's last plan holds.

    Raises:
        UserInputError: The folder holds no sweep, or scores of different signatures.
    """
    tables = ResultTables(output)
    planned = _read_plan(tables)
    if not planned:
        raise UserInputError(f"{output}: there is no sweep in this folder")
    stored = StoredScores(
        tables, [row.key for row in planned], [row.reference_digest for row in planned]
    )
    _refuse_mixed_signatures(stored, np.arange(len(planned)), output)
    is_scored = stored.is_scored
    failed = [
        place
        for place, reason in enumerate(stored.failure)
        if reason is not None and not is_scored[place]
    ]
    failures = Counter(stored.failure[place] or "" for place in failed)
    return Leaderboard(
        standings=tuple(
            _standing(group, np.array(places, np.int64), stored)
            for group, places in _groups(planned).items()
        ),
        metrics=stored.metrics,
        failures=dict(failures),
        to_ask_again=sum(not stored.failed_for_good[place] for place in failed),
    )


def write_leaderboard(board: Leaderboard, output: Path) -> None:
    """Writes ``leaderboard.json`` and ``leaderboard.csv``; shares in them are times 100.

    Raises:
        UserInputError: The folder cannot be written.
    """
    rows = [_as_json(standing) for standing in board.standings]
    document = {"failures": dict(board.failures), "standings": rows}
    write_atomically(output / JSON_FILE, json.dumps(document, indent=2) + "\n")
    write_atomically(output / CSV_FILE, _as_csv(board))


def _read_plan(tables: ResultTables) -> list[_Planned]:
    columns = ["key", "reference_digest", "model", "adapter", "revision", "setting", "part"]
    return [
        _Planned(
            key=row["key"],
            reference_digest=row["reference_digest"],
            model=ModelChoice(model=row["model"], adapter=row["adapter"]).label,
            revision=row["revision"],
            setting=Setting(row["setting"]),
            part=row["part"],
        )
        for batch in tables.batches(Table.PLAN, columns)
        for row in batch.to_pylist()
    ]


def _groups(planned: Sequence[_Planned]) -> dict[_Group, list[int]]:
    """Places of the questions of each row, in the order of the rows."""
    found: dict[_Group, list[int]] = {}
    for place, row in enumerate(planned):
        for part in (row.part, ALL_PARTS):
            if part is not None:
                group = _Group(row.model, row.revision, row.setting, part)
                found.setdefault(group, []).append(place)
    models = list(dict.fromkeys(row.model for row in planned))
    settings = list(Setting)
    parts = ("seen", "unseen", ALL_PARTS)
    order = sorted(
        found,
        key=lambda group: (
            models.index(group.model),
            settings.index(group.setting),
            parts.index(group.part),
        ),
    )
    return {group: found[group] for group in order}


def _refuse_mixed_signatures(stored: StoredScores, places: Indices, output: Path) -> None:
    for metric in stored.metrics:
        signatures = sorted(stored.signatures(metric, places))
        if len(signatures) > 1:
            raise UserInputError(
                f"{output}: scores of {metric} carry different signatures and cannot stand in one "
                f"table: {' and '.join(signatures)}; run the sweep again to score them alike"
            )


def _standing(group: _Group, places: Indices, stored: StoredScores) -> Standing:
    scored = places[stored.is_scored[places]]
    others = places[~stored.is_scored[places]]
    failed = sum(stored.failure[place] is not None for place in others.tolist())
    metrics = {
        metric: standing
        for metric in stored.metrics
        if (standing := _metric(metric, scored, stored)) is not None
    }
    return Standing(
        model=group.model,
        revision=group.revision,
        setting=group.setting,
        part=group.part,
        planned=len(places),
        scored=len(scored),
        failed=failed,
        pending=len(others) - failed,
        truncated=int(stored.is_truncated[scored].sum()),
        unscorable=int(stored.is_unscorable(scored).sum()),
        metrics=metrics,
    )


def _metric(metric: str, places: Indices, stored: StoredScores) -> MetricStanding | None:
    scores = list(stored.scores(metric, places))
    if not scores:
        return None
    result = aggregate(scores)
    with_zeros = None
    if UnscorableReason.NO_REFERENCE_PAIRS in result.unscorable_counts:
        with_zeros = aggregate(scores, NoPairsConvention.COUNT_AS_ZERO).mean
    return MetricStanding(
        mean=result.mean,
        corpus_value=result.corpus_value,
        corpus_signature=result.corpus_signature,
        mean_with_zeros=with_zeros,
        scored_count=result.scored_count,
        unscorable_counts={
            reason.value: count for reason, count in result.unscorable_counts.items()
        },
        signature=result.signature,
    )


_Json = str | int | float | None | dict[str, "_Json"]


def _as_json(standing: Standing) -> dict[str, _Json]:
    metrics: dict[str, _Json] = {}
    for name, metric in standing.metrics.items():
        metrics[name] = {
            "mean": reported(name, metric.mean),
            "corpus_value": reported(name, metric.corpus_value),
            "corpus_signature": metric.corpus_signature,
            "mean_with_zeros": reported(name, metric.mean_with_zeros),
            "scored": metric.scored_count,
            "unscorable": dict(metric.unscorable_counts),
            "signature": metric.signature,
        }
    return {**_counts(standing), "metrics": metrics}


def _as_csv(board: Leaderboard) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = list(_counts(board.standings[0]))
    for metric in board.metrics:
        header += [metric, f"{metric}_scored"]
    writer.writerow(header)
    for standing in board.standings:
        row: list[_Json] = list(_counts(standing).values())
        for metric in board.metrics:
            found = standing.metrics.get(metric)
            row += (
                [None, 0] if found is None else [reported(metric, found.mean), found.scored_count]
            )
        writer.writerow(row)
    return text.getvalue()


def _counts(standing: Standing) -> dict[str, _Json]:
    return {
        "model": standing.model,
        "revision": standing.revision,
        "setting": standing.setting.value,
        "part": standing.part,
        "planned": standing.planned,
        "scored": standing.scored,
        "failed": standing.failed,
        "pending": standing.pending,
        "truncated": standing.truncated,
        "unscorable": standing.unscorable,
    }
