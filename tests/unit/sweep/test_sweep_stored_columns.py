"""Columns as arrays: numbering, places of keys, chunks."""

import numpy as np
import pyarrow as pa
import pytest

from services.sweep.results.stored_columns import (
    Coded,
    KeyPlaces,
    Numbering,
    chunks,
    combined,
    in_order_of,
)


def test_texts_keep_their_numbers_from_chunk_to_chunk_and_none_has_none() -> None:
    numbering = Numbering(["a"])
    assert numbering.number(pa.array(["b", "a", None, "b"])).tolist() == [1, 0, -1, 1]
    assert numbering.number(pa.array(["c", "b"])).tolist() == [2, 1]
    assert numbering.values == ("a", "b", "c")


def test_none_among_the_texts_of_a_dictionary_has_no_number_either() -> None:
    # So Parquet columns come that hold nothing but nulls.
    column = pa.DictionaryArray.from_arrays([0, 1, 0], pa.array([None, "a"], pa.string()))
    assert Numbering().number(column).tolist() == [-1, 0, -1]
    only_nulls = pa.DictionaryArray.from_arrays([0, 0], pa.array([None], pa.string()))
    assert Numbering().number(only_nulls).tolist() == [-1, -1]


def test_keys_are_found_whether_or_not_they_come_as_a_dictionary() -> None:
    places = KeyPlaces(pa.array(["x", "y", "z"]))
    keys = pa.array(["z", "?", "x", "z"])
    assert places.find(keys).tolist() == [2, -1, 0, 2]
    assert places.find(keys.dictionary_encode()).tolist() == [2, -1, 0, 2]


@pytest.mark.parametrize(
    "known",
    [["bb", "a", "ccc"], ["bb", "aa", "cc"], ["é", "aa", "z"], ["a"], []],
    ids=["of unequal length", "of equal length", "not ASCII", "one", "none"],
)
def test_a_key_is_found_at_its_place_and_no_other_is(known: list[str]) -> None:
    places = KeyPlaces(pa.array(known, pa.string()))
    asked = [*known, "", "b", "bbb", "zzzz", "é!"]
    expected = [known.index(key) if key in known else -1 for key in asked]
    assert places.find(pa.array(asked)).tolist() == expected
    # A part of a greater column begins elsewhere in the column's bytes.
    assert places.find(pa.array(asked).slice(1)).tolist() == expected[1:]
    assert places.find(pa.array([], pa.string())).tolist() == []


def test_small_batches_are_joined_and_dictionaries_unified() -> None:
    batches = [
        pa.RecordBatch.from_pydict({"key": pa.array(keys, pa.string()).dictionary_encode()})
        for keys in (["a", "b"], [], ["b", "c"], ["d"])
    ]
    joined = list(chunks(batches, rows=3))
    assert [batch.column("key").to_pylist() for batch in joined] == [["a", "b", "b", "c"], ["d"]]


def test_batches_whose_dictionaries_hold_none_are_joined_too() -> None:
    # Parquet's reader makes such dictionaries of columns in which some rows have no text.
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array([None, "a"]))
    batch = pa.record_batch({"reason": coded})

    [joined] = chunks([batch, batch])

    assert joined["reason"].to_pylist() == [None, "a", None, "a"]


def test_combined_numbers_tell_rows_apart_by_any_column() -> None:
    one = Coded(("a", "b"), np.array([0, 1, 0, -1], np.int32))
    other = Coded(("x", "y"), np.array([0, 0, 1, 0], np.int32))
    found = combined([one, other])
    assert len(set(found.tolist())) == 4
    # In the order of the first column's codes, then of the second's.
    assert np.argsort(found).tolist() == [3, 0, 2, 1]


def test_rows_are_put_in_the_order_of_their_times() -> None:
    times = np.array([5, 3, 4, 3])
    assert in_order_of(times, np.array([0, 1, 2, 3])).tolist() == [1, 3, 2, 0]
    assert in_order_of(times, np.array([1, 2, 0])).tolist() == [1, 2, 0]
