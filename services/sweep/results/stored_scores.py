"""The results of the planned questions as arrays, for any number of questions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.core.errors import UserInputError
from services.metrics.outcome import UnscorableReason
from services.metrics.registry import METRICS
from services.metrics.score_columns import REASONS, SCORABLE, ScoreColumns
from services.sweep.results.rows import FinishReason, Table
from services.sweep.results.stored_columns import (
    Codes,
    Indices,
    Mask,
    Numbering,
    chunks,
    microseconds,
    numbers,
)
from services.sweep.results.stored_failures import StoredFailures
from services.sweep.results.stored_plan import StoredPlan
from services.sweep.results.tables import ResultTables

_COLUMNS = (
    "key",
    "reference_digest",
    "scored_at",
    "metric",
    "value",
    "unscorable",
    "statistics",
    "signature",
)

# Columns of the table of scores whose texts recur.
CODED_SCORES = (
    "key",
    "reference_digest",
    "signatures_digest",
    "metric",
    "unscorable",
    "signature",
)


_Number = np.uint8 | np.uint16 | np.float32 | np.float64
_Numbers = npt.NDArray[_Number]

# Most statistics are small counts: each is kept in the first of these that loses nothing.
_NUMBER_TYPES: tuple[type[_Number], ...] = (np.uint8, np.uint16, np.float32, np.float64)


@dataclass(slots=True)
class _MetricColumns:
    """One metric's scores, one place a planned question, of the question's last scoring."""

    is_present: Mask
    value: npt.NDArray[np.float64]
    reason: npt.NDArray[np.int8]
    statistics: list[_Numbers]
    signature: npt.NDArray[np.int16]


class StoredScores:
    """The last scores, the failures and the endings of the planned questions.

    A place is a question's row in the plan. Of several explanations of one question the earliest
    counts, of several scorings the latest against the present reference.

    Args:
        shards: The tables of every shard of the output.
        plan: The present plan.

    Attributes:
        plan: The present plan.
        is_generated: Which questions have an explanation.
        is_truncated: Which explanations were cut off by the token limit.
        generated_at: When the explanation that counts was there, in microseconds; the greatest
            integer where there is none.
        failures: What failed.

    Raises:
        UserInputError: A table cannot be read, or holds a metric that this version lacks.
    """

    def __init__(self, shards: Sequence[ResultTables], plan: StoredPlan) -> None:
        self.plan = plan
        count = len(plan)
        self._reference = Numbering(plan.columns["reference_digest"].values)
        self._metrics: dict[str, _MetricColumns] = {}
        self._signatures = Numbering()
        self.is_generated = np.zeros(count, np.bool_)
        self.is_truncated = np.zeros(count, np.bool_)
        self.generated_at: Indices = np.full(count, np.iinfo(np.int64).max)
        self._read_generations(shards)
        self.failures = StoredFailures(shards, plan, self.is_generated)
        # When each question was last scored against its present reference, in microseconds.
        self._scored_at = np.zeros(count, np.int64)
        for tables in shards:
            for batch in chunks(tables.batches(Table.SCORES, _COLUMNS, coded=CODED_SCORES)):
                self._take(batch)
        # Scores from before scoring failed again are retired: they had other signatures.
        self._scored_at[self._scored_at <= self.failures.scoring_failed_at] = 0

    @property
    def is_scored(self) -> Mask:
        """Which questions have scores."""
        return self.is_generated & (self._scored_at > 0)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics that count somewhere, in the order of the published tables."""
        return tuple(
            name for name in METRICS if name in self._metrics and self._is_present(name).any()
        )

    def count(self, metric: str) -> int:
        """How many questions have a score of a metric, be it a value or a reason for none."""
        return int(np.count_nonzero(self._is_present(metric)))

    def signatures(self, metric: str) -> tuple[str, ...]:
        """All the signatures that a metric's scores have, in alphabetical order."""
        codes = np.unique(self._metrics[metric].signature[self._is_present(metric)])
        known = self._signatures.values
        return tuple(sorted(known[code] for code in codes.tolist()))

    def is_unscorable(self, places: Indices) -> Mask:
        """For which of these questions at least one metric has no value."""
        found = np.zeros(len(places), np.bool_)
        for name, columns in self._metrics.items():
            found |= self._is_present(name, places) & (columns.reason[places] != SCORABLE)
        return found

    def scores(self, metric: str, places: Indices) -> tuple[Indices, ScoreColumns]:
        """One metric's scores of those of these questions that have one, and which these are.

        The scores must carry one signature.
        """
        present = places[self._is_present(metric, places)]
        columns = self._metrics[metric]
        first = int(columns.signature[present[0]]) if len(present) else -1
        return present, ScoreColumns(
            metric=metric,
            signature=self._signatures.values[first] if len(present) else "",
            values=columns.value[present],
            reasons=columns.reason[present],
            statistics=_side_by_side([column[present] for column in columns.statistics]),
        )

    def _is_present(self, metric: str, places: Indices | None = None) -> Mask:
        # A question's earlier scorings do not count, not even for a metric since dropped.
        chosen = slice(None) if places is None else places
        is_present = self._metrics[metric].is_present[chosen]
        found: Mask = is_present & self.is_generated[chosen] & (self._scored_at[chosen] > 0)
        return found

    def _read_generations(self, shards: Sequence[ResultTables]) -> None:
        earliest = self.generated_at
        for tables in shards:
            columns = ["key", "finish_reason", "generated_at"]
            for batch in chunks(tables.batches(Table.GENERATIONS, columns)):
                places = self.plan.places.find(batch.column("key"))
                times = microseconds(batch.column("generated_at"))
                is_first = (places >= 0) & (times < earliest[places])
                # Should a question be there twice, the earliest is written last and stays.
                order = np.flatnonzero(is_first)[np.argsort(-times[is_first], kind="stable")]
                cut_off = pc.equal(batch.column("finish_reason"), FinishReason.LENGTH.value)
                places, times = places[order], times[order]
                self.is_generated[places] = True
                self.is_truncated[places] = cut_off.to_numpy(zero_copy_only=False)[order]
                earliest[places] = times

    def _take(self, batch: pa.RecordBatch) -> None:
        places = self.plan.places.find(batch.column("key"))
        references = self._reference.number(batch.column("reference_digest"))
        wanted = self.plan.columns["reference_digest"].codes[places]
        rows = np.flatnonzero((places >= 0) & (references == wanted))
        times = microseconds(batch.column("scored_at"))
        self._note_times(places[rows], times[rows])
        rows = rows[times[rows] == self._scored_at[places[rows]]]
        named = Numbering()
        names = named.number(batch.column("metric"))
        scores = _ScoreBatch(batch, self._signatures)
        for code, name in enumerate(named.values):
            chosen = rows[names[rows] == code]
            if len(chosen):
                self._fill(name, places[chosen], scores, chosen)

    def _note_times(self, places: Indices, times: Indices) -> None:
        """Takes times of scorings; what was stored of earlier ones counts no more."""
        touched = np.unique(places)
        before = self._scored_at[touched]
        np.maximum.at(self._scored_at, places, times)
        outdated = touched[self._scored_at[touched] > before]
        for columns in self._metrics.values():
            columns.is_present[outdated] = False

    def _fill(self, name: str, places: Indices, scores: "_ScoreBatch", rows: Indices) -> None:
        columns = self._metrics.get(name)
        if columns is None:
            columns = self._metrics[name] = _empty_columns(name, len(self.plan))
        columns.statistics = [
            _with_numbers(column, places, numbers)
            for column, numbers in zip(
                columns.statistics, scores.statistics_of(name, rows).T, strict=True
            )
        ]
        columns.is_present[places] = True
        columns.value[places] = scores.values[rows]
        columns.reason[places] = scores.reasons[rows]
        columns.signature[places] = scores.signatures[rows]


class _ScoreBatch:
    """Rows of the table of scores as arrays."""

    def __init__(self, batch: pa.RecordBatch, signatures: Numbering) -> None:
        self.values = pc.fill_null(batch.column("value"), 0.0).to_numpy(zero_copy_only=False)
        self.reasons = _reasons(batch.column("unscorable"))
        self.signatures = signatures.number(batch.column("signature"))
        statistics = batch.column("statistics")
        # Not those of the whole table: a batch may be a part of a greater one.
        self._begins = numbers(statistics.offsets)
        self._numbers = statistics.values.to_numpy(zero_copy_only=False)

    def statistics_of(self, metric: str, rows: Indices) -> npt.NDArray[np.float64]:
        """Statistics of rows that are all of one metric."""
        width = len(METRICS[metric].statistic_names)
        begins = self._begins[rows]
        widths = self._begins[rows + 1] - begins
        if len(others := widths[widths != width]):
            raise UserInputError(
                f"the results hold '{metric}' with {others[0]} statistics, and this version keeps "
                f"{width}; use the version that computed them, or another output folder"
            )
        found: npt.NDArray[np.float64] = self._numbers[begins[:, None] + np.arange(width)]
        return found


def _reasons(column: pa.Array) -> npt.NDArray[np.int8]:
    numbering = Numbering()
    codes: Codes = numbering.number(column)
    known = [REASONS.index(UnscorableReason(value)) for value in numbering.values]
    found: npt.NDArray[np.int8] = np.array([*known, SCORABLE], np.int8)[codes]
    return found


def _with_numbers(column: _Numbers, places: Indices, numbers: npt.NDArray[np.float64]) -> _Numbers:
    """Puts numbers into a column, which is made wider first where they ask for it."""
    first = _NUMBER_TYPES.index(column.dtype.type)
    fitting = (kind for kind in _NUMBER_TYPES[first:] if _fits(numbers, kind))
    column = column.astype(next(fitting, np.float64), copy=False)
    column[places] = numbers
    return column


def _fits(numbers: npt.NDArray[np.float64], kind: type[_Number]) -> bool:
    with np.errstate(invalid="ignore", over="ignore"):  # what does not fit is just looked for
        return np.array_equal(numbers.astype(kind), numbers)


def _side_by_side(columns: Sequence[_Numbers]) -> npt.NDArray[np.float64]:
    found = np.empty((len(columns[0]), len(columns)), np.float64)
    for place, column in enumerate(columns):
        found[:, place] = column
    return found


def _empty_columns(name: str, count: int) -> _MetricColumns:
    if name not in METRICS:
        raise UserInputError(
            f"the results hold a metric '{name}' that this version does not know; use the "
            "version that computed it"
        )
    return _MetricColumns(
        is_present=np.zeros(count, np.bool_),
        value=np.zeros(count, np.float64),
        reason=np.full(count, SCORABLE, np.int8),
        statistics=[np.zeros(count, np.uint8) for _ in METRICS[name].statistic_names],
        signature=np.zeros(count, np.int16),
    )
