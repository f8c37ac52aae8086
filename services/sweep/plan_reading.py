"""Reads what an output holds already, as far as planning needs it: keys, not texts.

There are hundreds of thousands of rows: they become Python objects as late as possible, and a
stored key that equals a planned one is not kept beside it.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.sweep.plan_stored import ScoredAgainst, StoredResults
from services.sweep.rows import Stage, SweepFailure, Table
from services.sweep.tables import ResultTables

# For each key, when scoring it failed for good, and against what.
_ScoringFailed = dict[str, tuple[datetime, str]]

_Places = npt.NDArray[np.int64]

_NOWHERE = -1


class _Planned:
    """The planned keys, and the place of each."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = list(keys)
        self._array = pa.array(self.keys, pa.string())

    def places(self, stored: pa.Array) -> _Places:
        """Where stored keys stand among the planned ones; -1 for those that are not planned."""
        found = pc.fill_null(pc.index_in(stored, value_set=self._array), _NOWHERE)
        places: _Places = found.to_numpy(zero_copy_only=False).astype(np.int64)
        return places


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
    columns = [
        batch.column("key")
        for shard in tables
        for batch in shard.batches(Table.GENERATIONS, ["key"])
    ]
    if not columns:
        return frozenset()
    places = np.unique(planned.places(pa.concat_arrays(columns)))
    return frozenset(planned.keys[place] for place in places.tolist() if place != _NOWHERE)


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
            rows = batch.filter(pa.array(places != _NOWHERE)).to_pylist()
            for row, place in zip(rows, places[places != _NOWHERE].tolist(), strict=True):
                key = planned.keys[place]
                if row["reason"] == SweepFailure.PICTURE_MISSING:
                    without_picture.add(key)
                elif row["final"] and row["stage"] == Stage.GENERATION:
                    failed.add(key)
                elif row["final"]:
                    failure = (row["failed_at"], row["reference_digest"])
                    scoring_failed[key] = max(failure, scoring_failed.get(key, failure))
    return failed, scoring_failed, without_picture


def _scored(
    tables: Sequence[ResultTables], planned: _Planned, failed: _ScoringFailed
) -> dict[str, ScoredAgainst]:
    """What each key's last scores were computed against.

    Scores from before the same explanation failed to be scored again count no more: they would
    carry other signatures than the rest for ever.
    An answer's scores are stored in one commit, so that one of its rows speaks for all.
    """
    columns = ["key", "reference_digest", "signatures_digest", "scored_at"]
    batches = [
        _one_row_each(batch) for shard in tables for batch in shard.batches(Table.SCORES, columns)
    ]
    if not batches:
        return {}
    answers = pa.Table.from_batches(batches).unify_dictionaries()
    places = planned.places(_column(answers, "key"))
    times = _column(answers, "scored_at").cast(pa.int64()).to_numpy()
    # Of the rows of one key the last one stays, as it is written last.
    last = np.full(len(planned.keys) + 1, _NOWHERE, np.int64)
    in_order = np.argsort(times, kind="stable")
    last[places[in_order]] = in_order
    kept = np.flatnonzero(last[:-1] != _NOWHERE)
    against = _against(answers.take(pa.array(last[kept])))
    scored = {planned.keys[place]: one for place, one in zip(kept.tolist(), against, strict=True)}
    scored_at = dict(zip(scored, times[last[kept]].tolist(), strict=True)) if failed else {}
    for key, (failed_at, reference) in failed.items():
        if key not in scored or scored[key].reference_digest != reference:
            continue
        if _microseconds(failed_at) >= scored_at[key]:
            del scored[key]
    return scored


def _against(answers: pa.Table) -> Iterator[ScoredAgainst]:
    """One value a row; there are few different ones, which are shared."""
    references, signatures = (
        _column(answers, name) for name in ("reference_digest", "signatures_digest")
    )
    names = references.dictionary.to_pylist(), signatures.dictionary.to_pylist()
    shared: dict[tuple[int, int], ScoredAgainst] = {}
    for pair in zip(references.indices.to_pylist(), signatures.indices.to_pylist(), strict=True):
        if pair not in shared:
            shared[pair] = ScoredAgainst(names[0][pair[0]], names[1][pair[1]])
        yield shared[pair]


def _column(table: pa.Table, name: str) -> pa.Array:
    return pa.concat_arrays(table.column(name).chunks)


def _one_row_each(scores: pa.RecordBatch) -> pa.RecordBatch:
    """Keeps one row an answer instead of one a metric, before anything becomes a Python object.

    An answer's rows were written together, and lie together; where they do not, more are kept.
    """
    key, reference, signatures, at = scores.columns
    if len(key):
        starts = [
            pc.not_equal(column.slice(1), column.slice(0, len(column) - 1)) for column in (key, at)
        ]
        first = pa.concat_arrays([pa.array([True]), pc.or_(*starts)])
        key, reference, signatures, at = (column.filter(first) for column in scores.columns)
    coded = (pc.dictionary_encode(column) for column in (reference, signatures))
    return pa.RecordBatch.from_arrays([key, *coded, at], names=scores.schema.names)


def _microseconds(time: datetime) -> int:
    return int(pa.scalar(time, pa.timestamp("us", tz="UTC")).value)
