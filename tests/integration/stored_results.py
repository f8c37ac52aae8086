"""What lies in a sweep's output, read with nothing of the driver's own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import obstore
import pyarrow as pa
from deltalake import DeltaTable
from obstore.store import from_url


def rows_of(output: Path | str, table: str, *columns: str) -> list[dict[str, object]]:
    """Reads columns of a table, of all shards together."""
    return [row for part in _parts(output, table, columns) for row in part.to_pylist()]


def count_rows(output: Path | str, table: str) -> int:
    """Counts the rows of a table, of all shards together; none where it is not written yet."""
    return sum(len(part) for part in _parts(output, table, ["key"]))


def assert_exactly_once(output: Path | str, asked: set[tuple[str, str, str]]) -> None:
    """Every question has exactly one explanation, and this one score of each metric.

    Args:
        output: The sweep's output, a folder or ``s3://bucket/prefix``.
        asked: Model, id and setting of every question that the sweep is to ask.
    """
    planned = rows_of(output, "plan", "key", "model", "question", "setting")
    assert {_name(row) for row in planned} == asked
    assert len(planned) == len(asked)
    keys = {str(row["key"]) for row in planned}
    assert len(keys) == len(asked)
    generated = rows_of(output, "generations", "key", "model", "question", "setting", "text")
    assert Counter(map(_name, generated)) == dict.fromkeys(asked, 1)
    assert {str(row["key"]) for row in generated} == keys
    assert all(row["text"] for row in generated)
    scores = Counter(
        (str(row["key"]), str(row["metric"])) for row in rows_of(output, "scores", "key", "metric")
    )
    metrics = {metric for _, metric in scores}
    assert scores == {(key, metric): 1 for key in keys for metric in metrics}
    assert rows_of(output, "failures", "reason", "message") == []


def _name(row: dict[str, object]) -> tuple[str, str, str]:
    return str(row["model"]), str(row["question"]), str(row["setting"])


def _parts(output: Path | str, table: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    for uri in sorted(_uris(output, table)):
        if DeltaTable.is_deltatable(uri):  # its first commit may be under way
            yield DeltaTable(uri).to_pyarrow_table(columns=list(columns))


def _uris(output: Path | str, table: str) -> set[str]:
    """The tables of this name in a folder, or below ``s3://bucket/prefix``."""
    if isinstance(output, Path):
        return {str(log.parent) for log in output.rglob(f"{table}/_delta_log")}
    objects = (found["path"] for page in obstore.list(from_url(output)) for found in page)
    return {
        f"{output}/{path.partition('/_delta_log/')[0]}"
        for path in objects
        if f"/{table}/_delta_log/" in f"/{path}"
    }
