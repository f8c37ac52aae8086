"""Reads what an output holds already, as far as planning needs it: keys, not texts.

There are hundreds of thousands of rows: they become Python objects as late as possible, and a
stored key that equals a planned one is not kept beside it.
"""

from collections.abc import Iterable, Sequence
from itertools import compress

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.sweep.plan.stored import ScoredAgainst, StoredResults
from services.sweep.results.rows import Stage, SweepFailure, Table
from services.sweep.results.stored_columns import (
    Codes,
    Indices,
    KeyFinder,
    Mask,
    Numbering,
    in_order_of,
    microseconds,
    text_bytes,
)
from services.sweep.results.tables import ResultTables

# For each key, when scoring it failed for good, in microseconds, and against what.
_ScoringFailed = dict[str, tuple[int, str]]

_NOWHERE = -1


class _Planned:
    """The planned keys, and the place of each."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = list(keys)
        self._finder = KeyFinder(text_bytes(self.keys))

    def __len__(self) -> int:
        return len(self.keys)

    def places(self, stored: pa.Array) -> Indices:
        """Where stored keys stand among the planned ones; -1 for those that are not planned."""
        return self._finder.find(stored)

    def at(self, places: Mask) -> frozenset[str]:
        """The keys at some places."""
        return frozenset(compress(self.keys, places.tolist()))


def read_stored(shards: Iterable[ResultTables], planned: Iterable[str]) -> StoredResults:
    """Reads what is stored of the planned questions, over all shards of an output.

    Args:
        shards: The tables of every shard.
        planned: The planned keys; what is stored under others is left out.

    Raises:
        UserInputError: A table cannot be read.
    """
    keys = _Planned(planned)
    tables = tuple(shards)
    generated = _generated(tables, keys)
    failed, scoring_failed, without_picture = _failures(tables, keys)
    return StoredResults(
        generated=generated,
        scored=_scored(tables, keys, scoring_failed),
        failed=frozenset(failed - generated),
        scoring_failed={key: reference for key, (_, reference) in scoring_failed.items()},
        without_picture=frozenset(without_picture),
    )


def _generated(tables: Sequence[ResultTables], planned: _Planned) -> frozenset[str]:
    is_generated = np.zeros(len(planned), np.bool_)
    for shard in tables:
        for batch in shard.batches(Table.GENERATIONS, ["key"]):
            places = planned.places(batch.column("key"))
            is_generated[places[places != _NOWHERE]] = True
    return planned.at(is_generated)


def _failures(
    tables: Sequence[ResultTables], planned: _Planned
) -> tuple[set[str], _ScoringFailed, set[str]]:
    failed: set[str] = set()
    scoring_failed: _ScoringFailed = {}
    without_picture: set[str] = set()
    columns = ["key", "stage", "reason", "final", "reference_digest", "failed_at"]
    for shard in tables:
        for batch in shard.batches(Table.FAILURES, columns):
            places = planned.places(batch.column("key"))
            times = microseconds(batch.column("failed_at"))[places != _NOWHERE].tolist()
            rows = batch.filter(pa.array(places != _NOWHERE)).drop_columns("failed_at").to_pylist()
            places = places[places != _NOWHERE]
            for row, place, time in zip(rows, places.tolist(), times, strict=True):
                key = planned.keys[place]
                if row["reason"] == SweepFailure.PICTURE_MISSING:
                    without_picture.add(key)
                elif row["final"] and row["stage"] == Stage.GENERATION:
                    failed.add(key)
                elif row["final"]:
                    failure = (time, row["reference_digest"])
                    scoring_failed[key] = max(failure, scoring_failed.get(key, failure))
    return failed, scoring_failed, without_picture


def _scored(
    tables: Sequence[ResultTables], planned: _Planned, failed: _ScoringFailed
) -> dict[str, ScoredAgainst]:
    """What each key's last scores were computed against.

    Scores from before the same explanation failed to be scored again count no more: they would
    carry other signatures than the rest for ever.
    """
    last = _LastScores(planned)
    for shard in tables:
        for batch in shard.batches(Table.SCORES, _LastScores.COLUMNS, coded=_LastScores.TEXTS):
            if len(batch):
                last.take(_one_row_each(batch))
    scored = last.result()
    times = last.times(list(failed)) if failed else []
    for (key, (failed_at, reference)), scored_at in zip(failed.items(), times, strict=True):
        if key in scored and scored[key].reference_digest == reference and failed_at >= scored_at:
            del scored[key]
    return scored


class _LastScores:
    """What each planned question's last scores were computed against, and when.

    An answer's scores are stored in one commit, so that one of its rows speaks for all.
    """

    TEXTS = ("reference_digest", "signatures_digest")
    COLUMNS = ("key", *TEXTS, "scored_at")

    def __init__(self, planned: _Planned) -> None:
        self._planned = planned
        self._times = np.full(len(planned), _NOWHERE, np.int64)
        self._references, self._signatures = Numbering(), Numbering()
        self._reference: Codes = np.zeros(len(planned), np.int32)
        self._signature: Codes = np.zeros(len(planned), np.int32)

    def take(self, batch: pa.RecordBatch) -> None:
        """Takes rows of the table of scores, in any order."""
        places = self._planned.places(batch.column("key"))
        times = microseconds(batch.column("scored_at"))
        references = self._references.number(batch.column("reference_digest"))
        signatures = self._signatures.number(batch.column("signatures_digest"))
        rows = np.flatnonzero(places != _NOWHERE)
        rows = rows[times[rows] >= self._times[places[rows]]]
        # Of the rows of one key the last one stays, as it is written last.
        rows = in_order_of(times, rows)
        self._times[places[rows]] = times[rows]
        self._reference[places[rows]] = references[rows]
        self._signature[places[rows]] = signatures[rows]

    def result(self) -> dict[str, ScoredAgainst]:
        """For each key with scores, what they were computed against."""
        places = np.flatnonzero(self._times != _NOWHERE)
        references, signatures = self._references.values, self._signatures.values
        pairs = self._reference[places].astype(np.int64) * len(signatures)
        pairs += self._signature[places]
        # There are few different pairs, which are shared.
        distinct, which = np.unique(pairs, return_inverse=True)
        shared = [
            ScoredAgainst(references[pair // len(signatures)], signatures[pair % len(signatures)])
            for pair in distinct.tolist()
        ]
        keys = compress(self._planned.keys, (self._times != _NOWHERE).tolist())
        return {key: shared[pair] for key, pair in zip(keys, which, strict=True)}

    def times(self, keys: Sequence[str]) -> list[int]:
        """When planned questions were last scored, in microseconds; -1 for never."""
        times: list[int] = self._times[self._planned.places(pa.array(keys, pa.string()))].tolist()
        return times


def _one_row_each(scores: pa.RecordBatch) -> pa.RecordBatch:
    """Keeps one row an answer instead of one a metric, before anything is looked up.

    An answer's rows were written together, and lie together; where they do not, more are kept.
    """
    key, at = scores.column("key"), scores.column("scored_at")
    starts = [
        pc.not_equal(column.slice(1), column.slice(0, len(column) - 1)) for column in (key, at)
    ]
    return scores.filter(pa.concat_arrays([pa.repeat(True, 1), pc.or_(*starts)]))
