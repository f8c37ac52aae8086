"""Files of scores: their columns, their types, and that they appear whole or not at all."""

import errno
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.core.errors import UserInputError
from services.scoring.score_file.output import ScoreOutput
from services.scoring.score_file.row import BrokenRow, FileRow
from services.scoring.score_file.score_columns import ScoredRow
from tests.unit.scoring.score_file.scripted_scorer import (
    PR_COLUMN,
    pr_score,
    pr_unscorable,
)

METRICS = (PR_COLUMN,)
SUMMARY: dict[str, object] = {"rows": {"scored": 2}}
STATISTICS = {"precision": 0.5, "recall": 0.25}


def row(number: int, row_id: str | int | None = None) -> FileRow:
    return FileRow(number, row_id, "", "x")


def write(path: Path, rows: list[ScoredRow], *, with_problems: bool = False) -> None:
    with ScoreOutput(path, overwrite=False) as output:
        output.begin(METRICS, with_problems=with_problems)
        for scored in rows:
            output.add(scored)
        output.finish(SUMMARY)


ROWS = [
    ScoredRow.scored(row(1, "a"), (pr_score(0.5, 0.25, 1 / 3),)),
    ScoredRow.scored(row(2, "b"), (pr_unscorable(),)),
]


def test_json_lines_hold_a_flat_object_a_row_and_the_summary_lies_beside(tmp_path: Path) -> None:
    write(tmp_path / "out.jsonl", ROWS)
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {
            "row": 1,
            "id": "a",
            "pr": 1 / 3,
            "pr_unscorable": None,
            "pr_statistics": STATISTICS,
        },
        {
            "row": 2,
            "id": "b",
            "pr": None,
            "pr_unscorable": "NO_ENTITIES",
            "pr_statistics": dict.fromkeys(STATISTICS, 0.0),
        },
    ]
    assert json.loads((tmp_path / "out.summary.json").read_text(encoding="utf-8")) == SUMMARY


def test_parquet_holds_the_same_columns_with_the_summary_and_the_signatures(
    tmp_path: Path,
) -> None:
    write(tmp_path / "out.parquet", ROWS)
    table = pq.read_table(tmp_path / "out.parquet")
    write(tmp_path / "out.jsonl", ROWS)
    lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert table.to_pylist() == [json.loads(line) for line in lines]
    assert table.schema.field("pr").metadata == {b"signature": METRICS[0].signature.encode()}
    metadata = pq.read_metadata(tmp_path / "out.parquet").metadata
    assert json.loads(metadata[b"expart"]) == SUMMARY
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.jsonl",
        "out.parquet",
        "out.summary.json",
    ]


@pytest.mark.parametrize(
    ("ids", "type_"), [(["a", "b"], pa.string()), ([1, 2**62], pa.int64()), ([None, None], None)]
)
def test_ids_keep_their_type(
    tmp_path: Path, ids: list[str | int | None], type_: pa.DataType | None
) -> None:
    rows = [
        ScoredRow.scored(row(number, row_id), (pr_unscorable(),))
        for number, row_id in enumerate(ids, 1)
    ]
    write(tmp_path / "out.parquet", rows)
    table = pq.read_table(tmp_path / "out.parquet")
    if type_ is None:
        assert "id" not in table.column_names
    else:
        assert table.schema.field("id").type == type_
        assert table["id"].to_pylist() == ids


def test_a_skipped_row_has_its_problem_in_the_place_of_scores(tmp_path: Path) -> None:
    # The first row's id is of no use where ids turn out to be integers.
    rows = [
        ScoredRow.skipped(BrokenRow(1, "a", "must be UTF-8")),
        ScoredRow.scored(row(2, 7), (pr_unscorable(),)),
        ScoredRow.skipped(BrokenRow(3, 8, "reference is missing")),
    ]
    write(tmp_path / "out.parquet", rows, with_problems=True)
    table = pq.read_table(tmp_path / "out.parquet", columns=["row", "id", "problem", "pr"])
    assert table.to_pylist() == [
        {"row": 1, "id": None, "problem": "must be UTF-8", "pr": None},
        {"row": 2, "id": 7, "problem": None, "pr": None},
        {"row": 3, "id": 8, "problem": "reference is missing", "pr": None},
    ]
    statistics = pq.read_table(tmp_path / "out.parquet")["pr_statistics"]
    assert [value is None for value in statistics.to_pylist()] == [True, False, True]


@pytest.mark.parametrize("count", [511, 512, 513, 512 * 16, 512 * 16 + 1])
def test_no_row_is_lost_between_batches_and_row_groups(tmp_path: Path, count: int) -> None:
    rows = [
        ScoredRow.scored(row(number), (pr_score(0.5, 0.25, number / count),))
        for number in range(1, count + 1)
    ]
    write(tmp_path / "out.parquet", rows)
    table = pq.read_table(tmp_path / "out.parquet")
    assert table["row"].to_pylist() == list(range(1, count + 1))
    assert table["pr"].to_pylist() == [number / count for number in range(1, count + 1)]


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_what_is_not_finished_leaves_nothing(tmp_path: Path, name: str) -> None:
    with ScoreOutput(tmp_path / name, overwrite=False) as output:
        output.begin(METRICS, with_problems=False)
        output.add(ROWS[0])
        assert not (tmp_path / name).exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("present", ["out.jsonl", "out.summary.json"])
def test_a_file_is_replaced_only_on_request(tmp_path: Path, present: str) -> None:
    (tmp_path / present).write_text("precious", encoding="utf-8")
    with pytest.raises(UserInputError, match=r"is there already; --overwrite replaces it"):
        ScoreOutput(tmp_path / "out.jsonl", overwrite=False)
    with ScoreOutput(tmp_path / "out.jsonl", overwrite=True) as output:
        output.begin(METRICS, with_problems=False)
        assert (tmp_path / present).read_text(encoding="utf-8") == "precious"
        output.finish(SUMMARY)
    assert "precious" not in (tmp_path / present).read_text(encoding="utf-8")


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    with ScoreOutput(tmp_path / "out.parquet", overwrite=False) as output:
        output.begin(METRICS, with_problems=False)
        (tmp_path / "out.parquet").write_text("precious", encoding="utf-8")
        with pytest.raises(UserInputError, match="is there already"):
            output.finish(SUMMARY)
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("out.csv", "the name must end in one of .jsonl, .ndjson, .parquet"),
        ("nowhere/out.jsonl", "there is no folder"),
        ("folder.parquet", "is a folder"),
        ("pipe.jsonl", "is no regular file"),
        ("null.jsonl", "is no regular file"),
    ],
)
def test_a_place_where_no_file_can_be_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.parquet").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "null.jsonl").symlink_to("/dev/null")
    with pytest.raises(UserInputError, match=message):
        ScoreOutput(tmp_path / name, overwrite=True)


def test_a_file_that_appears_at_the_last_moment_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def appear_then_link(path: Path, target: Path) -> None:
        # After every check: as another process may do it.
        if path.suffix == ".jsonl":
            path.write_text("precious", encoding="utf-8")
        os.link(target, path)

    monkeypatch.setattr(Path, "hardlink_to", appear_then_link)
    with ScoreOutput(tmp_path / "out.jsonl", overwrite=False) as output:
        output.begin(METRICS, with_problems=False)
        output.add(ROWS[0])
        with pytest.raises(UserInputError, match="is there already"):
            output.finish(SUMMARY)
    # Nor is there a summary of what nobody has.
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("taken", [False, True])
def test_a_file_system_without_links_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, taken: bool
) -> None:
    def refuse(path: Path, target: Path) -> None:
        if taken:
            path.write_text("precious", encoding="utf-8")
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    if taken:
        with pytest.raises(UserInputError, match="is there already"):
            write(tmp_path / "out.parquet", ROWS)
        assert (tmp_path / "out.parquet").read_text(encoding="utf-8") == "precious"
    else:
        write(tmp_path / "out.parquet", ROWS)
        assert pq.read_table(tmp_path / "out.parquet").num_rows == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]
