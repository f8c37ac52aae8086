"""The failures of the planned questions as arrays."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from services.sweep.results.rows import Stage, SweepFailure, Table
from services.sweep.results.stored_columns import (
    Codes,
    Indices,
    Mask,
    Numbering,
    chunks,
    in_order_of,
    microseconds,
)
from services.sweep.results.stored_plan import StoredPlan
from services.sweep.results.tables import ResultTables

_NONE = -1


class StoredFailures:
    """The failures that concern the present plan.

    They are those of questions without an explanation, and of scoring against the present
    references.

    Args:
        shards: The tables of every shard of the output.
        plan: The present plan.
        is_generated: Which questions have an explanation.

    Attributes:
        is_for_good: Which questions failed in a way that no later run goes about.
        scoring_failed_at: When scoring last failed for good, in microseconds; 0 where it did not.

    Raises:
        UserInputError: A table cannot be read.
    """

    def __init__(
        self, shards: Sequence[ResultTables], plan: StoredPlan, is_generated: Mask
    ) -> None:
        self._plan = plan
        self._is_generated = is_generated
        self._reference = Numbering(plan.columns["reference_digest"].values)
        self._reasons = Numbering()
        self._failed_at = np.zeros(len(plan), np.int64)
        self._reason: Codes = np.full(len(plan), _NONE, np.int32)
        self.is_for_good = np.zeros(len(plan), np.bool_)
        self.scoring_failed_at = np.zeros(len(plan), np.int64)
        columns = ["key", "stage", "reason", "final", "reference_digest", "failed_at"]
        for tables in shards:
            for batch in chunks(tables.batches(Table.FAILURES, columns)):
                self._take(batch)

    @property
    def is_failed(self) -> Mask:
        """Which questions failed; they may have been scored since, or before."""
        found: Mask = self._reason != _NONE
        return found

    def reason(self, place: int) -> str:
        """Why a question failed last."""
        return self._reasons.values[int(self._reason[place])]

    def counts(self, places: Indices) -> dict[str, int]:
        """How many of these questions, all of them failed, failed for each reason."""
        codes, counts = np.unique(self._reason[places], return_counts=True)
        known = self._reasons.values
        return {
            known[code]: count for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
        }

    def _take(self, batch: pa.RecordBatch) -> None:
        places = self._plan.places.find(batch.column("key"))
        is_scoring = _equals(batch.column("stage"), Stage.SCORING)
        references = self._reference.number(batch.column("reference_digest"))
        is_present = references == self._plan.columns["reference_digest"].codes[places]
        concerns = np.where(is_scoring, is_present, ~self._is_generated[places]) & (places >= 0)
        times = microseconds(batch.column("failed_at"))
        # Of a question's failures the last one is written last, and stays.
        rows = np.flatnonzero(concerns)
        rows = in_order_of(times, rows)
        is_final = batch.column("final").to_numpy(zero_copy_only=False)
        reasons = self._reasons.number(batch.column("reason"))
        is_missing = _equals(batch.column("reason"), SweepFailure.PICTURE_MISSING)
        for_good = rows[(is_final | is_missing)[rows]]
        self.is_for_good[places[for_good]] = True
        unscored = rows[(is_scoring & is_final)[rows]]
        np.maximum.at(self.scoring_failed_at, places[unscored], times[unscored])
        rows = rows[times[rows] >= self._failed_at[places[rows]]]
        self._failed_at[places[rows]] = times[rows]
        self._reason[places[rows]] = reasons[rows]


def _equals(column: pa.Array, value: str) -> Mask:
    numbering = Numbering([value])
    found: Mask = numbering.number(column) == 0
    return found
