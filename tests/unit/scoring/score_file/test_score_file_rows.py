"""Rows of a file, and what is wrong with those that are broken."""

import pytest

from services.scoring.score_file.row import BrokenRow, FileRow, RowReader


def read(columns: dict[str, object], *, wants_candidate_entities: bool = False) -> object:
    return RowReader(wants_candidate_entities=wants_candidate_entities).read(7, columns)


GOOD: dict[str, object] = {"candidate": "A hat.", "reference": "The hat."}


def test_a_row_needs_no_more_than_its_two_texts() -> None:
    assert read(GOOD) == FileRow(7, None, "A hat.", "The hat.")


def test_null_means_the_same_as_no_column_and_other_columns_are_let_be() -> None:
    row = read({**GOOD, "entities": None, "id": None, "model": {"name": 1}})
    assert row == FileRow(7, None, "A hat.", "The hat.")


def test_an_empty_candidate_is_an_answer() -> None:
    row = read({**GOOD, "candidate": ""})
    assert isinstance(row, FileRow)


def test_the_candidates_entities_are_read_only_where_they_count() -> None:
    columns = {**GOOD, "entities": ["hat"], "candidate_entities": ["A hat"]}
    assert read(columns) == FileRow(7, None, "A hat.", "The hat.", ("hat",))
    assert read(columns, wants_candidate_entities=True) == FileRow(
        7, None, "A hat.", "The hat.", ("hat",), ("A hat",)
    )


def test_candidate_entities_may_be_none_but_must_be_listed_where_they_count() -> None:
    empty = read({**GOOD, "candidate_entities": []}, wants_candidate_entities=True)
    assert isinstance(empty, FileRow)
    missing = read(GOOD, wants_candidate_entities=True)
    assert isinstance(missing, BrokenRow)
    assert "candidate_entities is missing" in missing.problem


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"reference": "x"}, "candidate is missing; wanted is the text to be scored"),
        ({"candidate": "x"}, "reference is missing; wanted is the text that the candidate is"),
        ({"candidate": 3, "reference": "x"}, "candidate must be a string, is an integer (3)"),
        ({"candidate": "x", "reference": ["x"]}, "reference must be a string, is a list"),
        ({**GOOD, "entities": "hat"}, "entities must be a list of strings, is a string ('hat')"),
        ({**GOOD, "entities": ["hat", None]}, "entities[1] must be a string, is null"),
        ({**GOOD, "id": 1.5}, "id must be a string or an integer, is a number with a fraction"),
        ({**GOOD, "id": True}, "id must be a string or an integer, is true or false (True)"),
        ({**GOOD, "id": ""}, "id must have 1 to 1000 characters, has 0"),
        ({**GOOD, "id": 2**63}, "id must be an integer of at most 64 bits"),
        ({**GOOD, "candidate": "ab\0c"}, "candidate must hold no NUL character, has one after 2"),
        ({**GOOD, "entities": ["é\ud83d"]}, "entities[0] must be Unicode text, has half of a"),
    ],
)
def test_a_broken_row_says_what_is_wrong_and_what_is_wanted(
    columns: dict[str, object], problem: str
) -> None:
    row = read(columns)
    assert isinstance(row, BrokenRow)
    assert problem in row.problem
    assert "\n" not in row.problem


def test_a_broken_row_is_named_by_its_number_and_its_id() -> None:
    row = read({"id": "q-7", "candidate": "x"})
    assert isinstance(row, BrokenRow)
    assert row.describe("line").startswith("line 7 (id 'q-7'): reference is missing")


def test_a_long_value_does_not_hide_the_message() -> None:
    row = read({**GOOD, "entities": "x" * 10_000})
    assert isinstance(row, BrokenRow)
    assert len(row.problem) < 200


@pytest.mark.parametrize(
    ("first", "second", "problem"),
    [
        ("a", 1, "id must be a string, as in the rows before it"),
        (1, "a", "id must be an integer, as in the rows before it"),
        ("a", None, "id is missing, and the rows before it have one"),
        (None, "a", "id must be absent, as in the rows before it"),
    ],
)
def test_rows_must_be_named_alike(first: object, second: object, problem: str) -> None:
    reader = RowReader(wants_candidate_entities=False)
    assert isinstance(reader.read(1, {**GOOD, "id": first}), FileRow)
    row = reader.read(2, {**GOOD, "id": second})
    assert isinstance(row, BrokenRow)
    assert row.problem == problem


def test_ids_may_repeat() -> None:
    reader = RowReader(wants_candidate_entities=False)
    rows = [reader.read(number, {**GOOD, "id": "same"}) for number in (1, 2)]
    assert all(isinstance(row, FileRow) for row in rows)


def test_a_broken_row_does_not_say_how_rows_are_named() -> None:
    reader = RowReader(wants_candidate_entities=False)
    assert isinstance(reader.read(1, {"id": 1, "candidate": "x"}), BrokenRow)
    assert isinstance(reader.read(2, {**GOOD, "id": "a"}), FileRow)
