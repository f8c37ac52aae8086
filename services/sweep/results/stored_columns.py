"""Columns of the result tables as arrays, a bounded number of rows at a time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Indices = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

# A look-up costs as much as several thousand rows: tables of many small files are read together.
_CHUNK_ROWS = 32 * 1024


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of few distinct texts.

    Attributes:
        values: The distinct texts, in the order in which they first occur.
        codes: For each row the place of its text among them; -1 for none.
    """

    values: tuple[str, ...]
    codes: Codes

    def matches(self, value: str) -> Mask:
        """Which rows hold this text."""
        if value not in self.values:
            return np.zeros(len(self.codes), np.bool_)
        found: Mask = self.codes == self.values.index(value)
        return found

    def text(self, row: int) -> str:
        """The text of a row; empty for none."""
        code = int(self.codes[row])
        return self.values[code] if code >= 0 else ""


class KeyFinder:
    """Says at which place a key stands.

    Args:
        keys: All the keys as bytes, each once.
    """

    def __init__(self, keys: npt.NDArray[np.bytes_]) -> None:
        # Sorted arrays of bytes: a dictionary of texts takes five times the memory, and Arrow
        # would build its own table anew for every look-up.
        self._order: Indices = np.argsort(keys)
        self._sorted = keys[self._order]

    def __len__(self) -> int:
        """How many keys there are."""
        return len(self._order)

    def find(self, keys: pa.Array) -> Indices:
        """The place of each of these keys; -1 for those that are not known."""
        # An answer has a dozen scores: its key is looked up once.
        coded = encoded(keys)
        wanted = column_bytes(coded.dictionary)
        if not len(self._sorted):
            return np.full(len(keys), -1, np.int64)
        found = np.searchsorted(self._sorted, wanted)
        found[found == len(self._sorted)] = 0
        places: Indices = np.where(self._sorted[found] == wanted, self._order[found], -1)
        return places[numbers(coded.indices)]


class KeyPlaces(KeyFinder):
    """Says at which place a key stands, and which key stands at a place.

    Args:
        keys: All the keys, each once.
    """

    def __init__(self, keys: pa.StringArray) -> None:
        super().__init__(column_bytes(keys))
        self.keys = keys


class Numbering:
    """Numbers texts as they come, over any number of chunks.

    Args:
        values: Texts that have the first numbers.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._numbers = {value: number for number, value in enumerate(values)}

    @property
    def values(self) -> tuple[str, ...]:
        """The texts so far, by their numbers."""
        return tuple(self._numbers)

    def number(self, column: pa.Array) -> Codes:
        """Numbers the texts of a column; -1 for none."""
        coded = encoded(column)
        # What was read as a dictionary may have "none" among its distinct texts.
        known = [
            -1 if value is None else self._numbers.setdefault(value, len(self._numbers))
            for value in coded.dictionary.to_pylist()
        ]
        indices = numbers(pc.fill_null(coded.indices, -1))
        found: Codes = np.array([*known, -1], np.int32)[indices]
        return found


def chunks(batches: Iterable[pa.RecordBatch], rows: int = _CHUNK_ROWS) -> Iterator[pa.RecordBatch]:
    """Joins small batches into fewer, of about so many rows each; none is empty."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        if batch.num_rows:
            waiting.append(batch)
            count += batch.num_rows
        if count >= rows:
            yield _joined(waiting)
            waiting, count = [], 0
    if waiting:
        yield _joined(waiting)


def encoded(column: pa.Array) -> pa.DictionaryArray:
    """A column of texts with its distinct texts apart."""
    return column if isinstance(column, pa.DictionaryArray) else pc.dictionary_encode(column)


def in_order_of(times: Indices, rows: Indices) -> Indices:
    """Rows in the order of their times, in which most of them are stored."""
    ordered = times[rows]
    if (ordered[1:] >= ordered[:-1]).all():
        return rows
    found: Indices = rows[np.argsort(ordered, kind="stable")]
    return found


def combined(columns: Sequence[Coded]) -> Indices:
    """Numbers that are equal where all the columns are, and in the order of their codes."""
    result = np.zeros(len(columns[0].codes), np.int64)
    for column in columns:
        result = result * (len(column.values) + 1) + (column.codes + 1)
    return result


def numbers(column: pa.Array) -> Indices:
    """A column of integers without gaps, as an array."""
    found: Indices = column.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def microseconds(column: pa.Array) -> Indices:
    """A column of times as microseconds."""
    return numbers(column.cast(pa.int64()))


def column_bytes(keys: pa.Array) -> npt.NDArray[np.bytes_]:
    """Texts as bytes of a fixed width; without a copy where all are of one length, as keys are."""
    if isinstance(keys, pa.StringArray) and len(keys) and not keys.null_count:
        _, offsets, data = keys.buffers()
        begins = np.frombuffer(offsets, np.int32)[keys.offset : keys.offset + len(keys) + 1]
        width = int(begins[1] - begins[0])
        if width and (np.diff(begins) == width).all():
            return np.frombuffer(data, f"S{width}", len(keys), int(begins[0]))
    return text_bytes(keys.to_pylist())


def text_bytes(texts: Sequence[str]) -> npt.NDArray[np.bytes_]:
    """Texts as bytes of a fixed width, which is that of the longest."""
    joined = "".join(texts)
    width = len(texts[0]) if texts else 0
    if joined.isascii() and width and all(len(text) == width for text in texts):
        return np.frombuffer(joined.encode(), f"S{width}")
    return np.array([text.encode() for text in texts], np.bytes_)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(map(_unifiable, batches))
    [joined] = table.unify_dictionaries().combine_chunks().to_batches()
    return joined


def _unifiable(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Takes "none" out of the distinct texts of columns, among which Arrow cannot bear it."""
    for at, column in enumerate(batch.columns):
        if isinstance(column, pa.DictionaryArray) and column.dictionary.null_count:
            plain = pc.dictionary_encode(column.dictionary_decode())
            batch = batch.set_column(at, batch.schema.field(at), plain)
    return batch
