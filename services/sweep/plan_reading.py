"""Reads what an output holds already, as far as planning needs it: keys, not texts."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import pyarrow as pa

from services.sweep.plan_stored import ScoredAgainst, StoredResults
from services.sweep.rows import Stage, SweepFailure, Table
from services.sweep.tables import ResultTables

# For each key, when scoring it failed for good, and against what.
_ScoringFailed = dict[str, tuple[datetime, str]]


def read_stored(shards: Iterable[ResultTables], planned: Iterable[str]) -> StoredResults:
    """Reads what is stored of the planned questions, over all shards of an output.

    Args:
        shards: The tables of every shard.
        planned: The planned keys; what is stored under others is left out.

    Raises:
        UserInputError: A table cannot be read.
    """
    # A stored key is another string than the planned one that it equals: only the planned is kept.
    keys = {key: key for key in planned}
    tables = tuple(shards)
    generated = _generated(tables, keys)
    failed, scoring_failed, without_picture = _failures(tables, keys)
    return StoredResults(
        generated=frozenset(generated),
        scored=_scored(tables, keys, scoring_failed),
        failed=frozenset(failed - generated),
        scoring_failed={key: reference for key, (_, reference) in scoring_failed.items()},
        without_picture=frozenset(without_picture),
    )


def _generated(tables: Sequence[ResultTables], keys: Mapping[str, str]) -> set[str]:
    generated: set[str] = set()
    for shard in tables:
        for batch in shard.batches(Table.GENERATIONS, ["key"]):
            stored = batch.column("key").to_pylist()
            generated.update(keys[key] for key in stored if key in keys)
    return generated


def _failures(
    tables: Sequence[ResultTables], keys: Mapping[str, str]
) -> tuple[set[str], _ScoringFailed, set[str]]:
    failed: set[str] = set()
    scoring_failed: _ScoringFailed = {}
    without_picture: set[str] = set()
    columns = ["key", "stage", "reason", "final", "reference_digest", "failed_at"]
    for shard in tables:
        for batch in shard.batches(Table.FAILURES, columns):
            for row in batch.to_pylist():
                key = keys.get(row["key"])
                if key is None:
                    continue
                if row["reason"] == SweepFailure.PICTURE_MISSING:
                    without_picture.add(key)
                elif row["final"] and row["stage"] == Stage.GENERATION:
                    failed.add(key)
                elif row["final"]:
                    failure = (row["failed_at"], row["reference_digest"])
                    scoring_failed[key] = max(failure, scoring_failed.get(key, failure))
    return failed, scoring_failed, without_picture


def _scored(
    tables: Sequence[ResultTables], keys: Mapping[str, str], failed: _ScoringFailed
) -> dict[str, ScoredAgainst]:
    """What each key's last scores were computed against.

    Scores from before the same explanation failed to be scored again count no more: they would
    carry other signatures than the rest for ever.
    An answer's scores are stored in one commit, so that one of its rows speaks for all.
    """
    scored: dict[str, ScoredAgainst] = {}
    scored_at: dict[str, int] = {}
    shared: dict[ScoredAgainst, ScoredAgainst] = {}  # one a reference, shared by many keys
    columns = ["key", "reference_digest", "signatures_digest", "scored_at"]
    for shard in tables:
        for batch in shard.batches(Table.SCORES, columns):
            # One row an answer instead of one a metric, before anything becomes a Python object.
            answers = pa.Table.from_batches([batch]).group_by(columns).aggregate([])
            times = answers.column("scored_at").cast(pa.int64())
            texts = (answers.column(name) for name in columns[:3])
            for stored, reference, signatures, at in zip(
                *(column.to_pylist() for column in (*texts, times)), strict=True
            ):
                key = keys.get(stored)
                if key is not None and at >= scored_at.get(key, at):
                    against = ScoredAgainst(reference, signatures)
                    scored[key] = shared.setdefault(against, against)
                    scored_at[key] = at
    for key, (failed_at, reference) in failed.items():
        against_now = scored.get(key)
        if against_now is None or against_now.reference_digest != reference:
            continue
        if _microseconds(failed_at) >= scored_at[key]:
            del scored[key]
    return scored


def _microseconds(time: datetime) -> int:
    return int(pa.scalar(time, pa.timestamp("us", tz="UTC")).value)
