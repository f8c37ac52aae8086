"""Writes scores as Parquet."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from services.scoring.score_file.row import RowId
from services.scoring.score_file.row_scorer import ScoredMetric
from services.scoring.score_file.score_columns import (
    STATISTICS_SUFFIX,
    UNSCORABLE_SUFFIX,
    ScoredRow,
    reason_of,
)

SUMMARY_KEY = "expart"
SIGNATURE_KEY = "signature"

# Arrow holds a row in a tenth of the memory that Python's objects need.
_BATCH_ROWS = 512
_GROUP_BATCHES = 16


class ParquetWriter:
    """Writes one row a row. The summary goes into the file's metadata.

    Args:
        path: The file; replaced if it is there.
        metrics: What the rows are scored by.
        with_problems: Whether there may be skipped rows.
    """

    def __init__(
        self, path: Path, metrics: tuple[ScoredMetric, ...], *, with_problems: bool
    ) -> None:
        self._path = path
        self._metrics = metrics
        self._with_problems = with_problems
        self._rows: list[ScoredRow] = []
        self._batches: list[pa.RecordBatch] = []
        self._schema: pa.Schema | None = None
        self._id_type: type[RowId] | None = None
        self._writer: pq.ParquetWriter | None = None

    def add(self, row: ScoredRow) -> None:
        """Writes a row, at the latest when :meth:`finish` is called."""
        if self._schema is None and row.scores is not None:
            # All good rows have the same type of id; what comes before the first one waits.
            self._id_type = None if row.row_id is None else type(row.row_id)
            self._open()
        self._rows.append(row)
        if self._schema is not None and len(self._rows) >= _BATCH_ROWS:
            self._batches.append(self._batch(self._schema))
            if len(self._batches) >= _GROUP_BATCHES:
                self._write_group(self._schema)

    def finish(self, summary: Mapping[str, object]) -> None:
        """Writes what is left and the summary, and completes the file."""
        schema = self._schema or self._open()
        if self._rows:
            self._batches.append(self._batch(schema))
        self._write_group(schema)
        assert self._writer is not None
        text = json.dumps(summary, ensure_ascii=False, allow_nan=False)
        self._writer.add_key_value_metadata({SUMMARY_KEY: text})
        self._writer.close()

    def close(self) -> None:
        """Closes the file as it is."""
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> pa.Schema:
        fields = [pa.field("row", pa.int64(), nullable=False)]
        if self._id_type is not None:
            fields.append(pa.field("id", pa.int64() if self._id_type is int else pa.string()))
        if self._with_problems:
            fields.append(pa.field("problem", pa.string()))
        for metric in self._metrics:
            signature = {SIGNATURE_KEY: metric.signature}
            fields += [
                pa.field(metric.name, pa.float64(), metadata=signature),
                pa.field(metric.name + UNSCORABLE_SUFFIX, pa.string()),
                pa.field(metric.name + STATISTICS_SUFFIX, _statistics_type(metric)),
            ]
        self._schema = pa.schema(fields)
        self._writer = pq.ParquetWriter(self._path, self._schema, compression="zstd")
        return self._schema

    def _batch(self, schema: pa.Schema) -> pa.RecordBatch:
        rows, self._rows = self._rows, []
        columns = [pa.array([row.number for row in rows], pa.int64())]
        if self._id_type is not None:
            ids = [row.row_id if type(row.row_id) is self._id_type else None for row in rows]
            columns.append(pa.array(ids, schema.field("id").type))
        if self._with_problems:
            columns.append(pa.array([row.problem for row in rows], pa.string()))
        for index, metric in enumerate(self._metrics):
            columns += _score_columns(rows, index, metric)
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    def _write_group(self, schema: pa.Schema) -> None:
        assert self._writer is not None
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches, schema))
            self._batches.clear()


def _statistics_type(metric: ScoredMetric) -> pa.DataType:
    return pa.struct([pa.field(name, pa.float64()) for name in metric.statistic_names])


def _score_columns(rows: Sequence[ScoredRow], index: int, metric: ScoredMetric) -> list[pa.Array]:
    """One metric's three columns."""
    scores = [None if row.scores is None else row.scores[index] for row in rows]
    nothing = (None,) * len(metric.statistic_names)
    statistics = zip(*(nothing if s is None else s.statistics for s in scores), strict=True)
    kind = _statistics_type(metric)
    return [
        pa.array([None if score is None else score.value for score in scores], pa.float64()),
        pa.array([None if score is None else reason_of(score) for score in scores], pa.string()),
        pa.StructArray.from_arrays(
            [pa.array(values, pa.float64()) for values in statistics],
            fields=list(kind),
            mask=pa.array([score is None for score in scores]),
        ),
    ]
