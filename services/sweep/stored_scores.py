"""Reads the results of the planned questions into arrays, for any number of questions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.core.errors import UserInputError
from services.metrics.outcome import Score, Unscorable, UnscorableReason
from services.metrics.registry import METRICS
from services.sweep.rows import FinishReason, Stage, SweepFailure, Table
from services.sweep.tables import ResultTables

_REASONS = tuple(UnscorableReason)
_IS_SCORED = -1

Indices = npt.NDArray[np.int64]


@dataclass(slots=True)
class _MetricColumns:
    """One metric's scores, one place a planned question."""

    is_present: npt.NDArray[np.bool_]
    value: npt.NDArray[np.float64]
    reason: npt.NDArray[np.int8]
    statistics: npt.NDArray[np.float64]
    signature: npt.NDArray[np.int16]


class StoredScores:
    """The last scores, failures and endings of the planned questions.

    Args:
        tables: The output folder's tables.
        keys: Keys of the planned questions; their order gives the places.
        reference_digests: What each of them is to be scored against.

    Raises:
        UserInputError: A table cannot be read, or holds a metric that this version lacks.
    """

    def __init__(
        self, tables: ResultTables, keys: Sequence[str], reference_digests: Sequence[str]
    ) -> None:
        self._count = len(keys)
        self._reference_digests = reference_digests
        self._keys = pa.array(keys, pa.string())
        pairs = [f"{key}/{digest}" for key, digest in zip(keys, reference_digests, strict=True)]
        self._pairs = pa.array(pairs, pa.string())
        self._metrics: dict[str, _MetricColumns] = {}
        self._signatures: list[str] = []
        self.is_generated = np.zeros(self._count, np.bool_)
        self.is_truncated = np.zeros(self._count, np.bool_)
        self.failure: list[str | None] = [None] * self._count
        # Whether the failure is one that no later run goes about.
        self.failed_for_good = np.zeros(self._count, np.bool_)
        # When scoring last failed for good, in microseconds: earlier scores are retired.
        self._scoring_failed_at = np.zeros(self._count, np.int64)
        self._read_generations(tables)
        self._read_failures(tables)
        self._scored_at = self._last_scoring(tables)
        self._read_scores(tables)

    @property
    def is_scored(self) -> npt.NDArray[np.bool_]:
        """Which questions have scores."""
        return self.is_generated & (self._scored_at > 0)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that were computed, in the order of the published tables."""
        return tuple(name for name in METRICS if name in self._metrics)

    def signatures(self, metric: str, places: Indices) -> set[str]:
        """All the signatures that a metric has among these questions."""
        columns = self._metrics[metric]
        present = places[columns.is_present[places]]
        return {self._signatures[number] for number in np.unique(columns.signature[present])}

    def is_unscorable(self, places: Indices) -> npt.NDArray[np.bool_]:
        """For which of these questions at least one metric has no value."""
        found = np.zeros(len(places), np.bool_)
        for columns in self._metrics.values():
            found |= columns.is_present[places] & (columns.reason[places] != _IS_SCORED)
        return found

    def scores(self, metric: str, places: Indices) -> Iterator[Score]:
        """One metric's scores of these questions; those without one are left out."""
        columns = self._metrics[metric]
        for place in places[columns.is_present[places]]:
            reason = int(columns.reason[place])
            yield Score(
                metric=metric,
                outcome=(
                    float(columns.value[place])
                    if reason == _IS_SCORED
                    else Unscorable(_REASONS[reason])
                ),
                statistics=tuple(columns.statistics[place].tolist()),
                signature=self._signatures[columns.signature[place]],
            )

    def _read_generations(self, tables: ResultTables) -> None:
        for batch in tables.batches(Table.GENERATIONS, ["key", "finish_reason"]):
            places, rows = self._placed(batch, self._keys, batch.column("key"))
            self.is_generated[places] = True
            cut_off = pc.equal(rows.column("finish_reason"), FinishReason.LENGTH.value)
            self.is_truncated[places] = cut_off.to_numpy(zero_copy_only=False)

    def _read_failures(self, tables: ResultTables) -> None:
        columns = ["key", "stage", "reason", "reference_digest", "final", "failed_at"]
        for batch in tables.batches(Table.FAILURES, columns):
            places, rows = self._placed(batch, self._keys, batch.column("key"))
            times = _microseconds(rows, "failed_at").tolist()
            for place, time, row in zip(places.tolist(), times, rows.to_pylist(), strict=True):
                if row["stage"] == Stage.GENERATION:
                    concerns = not self.is_generated[place]
                else:
                    concerns = row["reference_digest"] == self._reference_digests[place]
                if concerns:
                    self.failure[place] = row["reason"]
                    self.failed_for_good[place] |= (
                        row["final"] or row["reason"] == SweepFailure.PICTURE_MISSING
                    )
                if concerns and row["final"] and row["stage"] == Stage.SCORING:
                    self._scoring_failed_at[place] = max(time, self._scoring_failed_at[place])

    def _last_scoring(self, tables: ResultTables) -> Indices:
        """When each question was last scored against its present reference, in microseconds."""
        times = np.zeros(self._count, np.int64)
        columns = ["key", "reference_digest", "scored_at"]
        for batch in tables.batches(Table.SCORES, columns):
            places, rows = self._placed(batch, self._pairs, _pairs(batch))
            np.maximum.at(times, places, _microseconds(rows, "scored_at"))
        times[times <= self._scoring_failed_at] = 0
        return times

    def _read_scores(self, tables: ResultTables) -> None:
        columns = ["key", "reference_digest", "scored_at", "metric"]
        columns += ["value", "unscorable", "statistics", "signature"]
        for batch in tables.batches(Table.SCORES, columns):
            all_places, all_rows = self._placed(batch, self._pairs, _pairs(batch))
            # A question's earlier scorings do not count, not even for a metric since dropped.
            is_last = _microseconds(all_rows, "scored_at") == self._scored_at[all_places]
            rows, places = all_rows.filter(pa.array(is_last)), all_places[is_last]
            names = np.array(rows.column("metric").to_pylist(), dtype=object)
            for name in dict.fromkeys(names.tolist()):
                chosen = names == name
                self._fill(name, places[chosen], rows.filter(pa.array(chosen)))

    def _fill(self, name: str, places: Indices, rows: pa.RecordBatch) -> None:
        if name not in METRICS:
            raise UserInputError(
                f"the results hold a metric '{name}' that this version does not know; use the "
                "version that computed it"
            )
        width = len(METRICS[name].statistic_names)
        columns = self._metrics.setdefault(
            name,
            _MetricColumns(
                is_present=np.zeros(self._count, np.bool_),
                value=np.zeros(self._count, np.float64),
                reason=np.full(self._count, _IS_SCORED, np.int8),
                statistics=np.zeros((self._count, width), np.float64),
                signature=np.zeros(self._count, np.int16),
            ),
        )
        columns.is_present[places] = True
        columns.value[places] = pc.fill_null(rows.column("value"), 0.0).to_numpy(
            zero_copy_only=False
        )
        columns.reason[places] = [
            _IS_SCORED if reason is None else _REASONS.index(UnscorableReason(reason))
            for reason in rows.column("unscorable").to_pylist()
        ]
        for stored in pc.unique(pc.list_value_length(rows.column("statistics"))).to_pylist():
            if stored != width:
                raise UserInputError(
                    f"the results hold '{name}' with {stored} statistics, and this version keeps "
                    f"{width}; use the version that computed them, or another output folder"
                )
        columns.statistics[places] = np.array(rows.column("statistics").to_pylist()).reshape(
            len(places), width
        )
        columns.signature[places] = [
            self._number(signature) for signature in rows.column("signature").to_pylist()
        ]

    def _number(self, signature: str) -> int:
        if signature not in self._signatures:  # a few per metric
            self._signatures.append(signature)
        return self._signatures.index(signature)

    @staticmethod
    def _placed(
        batch: pa.RecordBatch, known: pa.Array, names: pa.Array
    ) -> tuple[Indices, pa.RecordBatch]:
        """Keeps the rows of planned questions, and says which places they belong to."""
        found = pc.index_in(names, value_set=known)
        is_planned = pc.is_valid(found)
        places = found.filter(is_planned).to_numpy(zero_copy_only=False).astype(np.int64)
        return places, batch.filter(is_planned)


def _pairs(batch: pa.RecordBatch) -> pa.Array:
    return pc.binary_join_element_wise(batch.column("key"), batch.column("reference_digest"), "/")


def _microseconds(batch: pa.RecordBatch, column: str) -> Indices:
    times: Indices = batch.column(column).cast(pa.int64()).to_numpy(zero_copy_only=False)
    return times
