"""Files of rows in every form that can be read, and those that cannot."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import UserInputError
from services.scoring.score_file import json_lines
from services.scoring.score_file.lines import split_lines
from services.scoring.score_file.row import BrokenRow, FileRow
from services.scoring.score_file.source import open_source

ROWS = [
    {"id": "a", "candidate": "A hat.", "reference": "The hat.", "entities": ["hat"]},
    {"id": "b", "candidate": "", "reference": "Ein Hüt…", "entities": None},
]
READ = [
    FileRow(1, "a", "A hat.", "The hat.", ("hat",)),
    FileRow(2, "b", "", "Ein Hüt…"),
]


def read_all(path: Path) -> list[FileRow | BrokenRow]:
    with open_source(str(path)) as source:
        return [row for batch in source.batches() for row in batch]


def problems(path: Path) -> list[tuple[int, str]]:
    return [(row.number, row.problem) for row in read_all(path) if isinstance(row, BrokenRow)]


def json_lines_bytes() -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def zstandard(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


@pytest.mark.parametrize("suffix", [".jsonl", ".ndjson", ".json", ".JSONL"])
def test_json_lines_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(json_lines_bytes())
    assert read_all(path) == READ


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".zst", zstandard)])
def test_compressed_json_lines_are_read(
    tmp_path: Path, suffix: str, compress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"rows.jsonl{suffix}"
    path.write_bytes(compress(json_lines_bytes()))
    assert read_all(path) == READ


def test_parquet_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    assert read_all(path) == READ


def test_parquet_is_read_whatever_arrow_type_holds_the_strings(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    table = pa.table(
        {
            "id": pa.array([row["id"] for row in ROWS]).dictionary_encode(),
            "candidate": pa.array([row["candidate"] for row in ROWS], pa.large_string()),
            "reference": pa.array([row["reference"] for row in ROWS], pa.string_view()),
            "entities": pa.array(
                [row["entities"] for row in ROWS], pa.large_list(pa.large_string())
            ),
        }
    )
    pq.write_table(table, path)
    assert read_all(path) == READ


def test_row_groups_and_batches_do_not_disturb_the_count(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    texts = [f"text {number}" for number in range(1, 1001)]
    pq.write_table(pa.table({"candidate": texts, "reference": texts}), path, row_group_size=300)
    rows = read_all(path)
    assert [(row.number, row.candidate) for row in rows if isinstance(row, FileRow)] == [
        (number, f"text {number}") for number in range(1, 1001)
    ]


def test_blank_lines_are_counted_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf\n{"candidate": "x", "reference": "y"}\r\n  \n[]')
    good, broken = read_all(path)
    assert good == FileRow(2, None, "x", "y")
    assert (broken.number, isinstance(broken, BrokenRow)) == (4, True)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "must be a JSON object: Expecting property name"),
        (b"[1]", "must be a JSON object, is a list; write each of its objects on a line"),
        (b"7", "must be a JSON object, is an integer"),
        (b'{"candidate": "\xff"}', "must be UTF-8, has the byte 0xFF after 15 bytes"),
        (b"[" * 100_000, "must be a JSON object: "),
        (b"1" * 5_000, "must be a JSON object: "),
        (b'{"candidate": "\\ud83d", "reference": "y"}', "candidate must be Unicode text"),
        (b'{"candidate": "\\u0000", "reference": "y"}', "candidate must hold no NUL"),
        (b"\x00", "must be a JSON object: "),
    ],
)
def test_a_broken_line_is_told_and_the_next_one_is_read(
    tmp_path: Path, line: bytes, problem: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"candidate": "x", "reference": "y"}\n' + line + b"\n" + json_lines_bytes())
    rows = read_all(path)
    broken = rows[1]
    assert isinstance(broken, BrokenRow)
    assert broken.number == 2
    assert broken.problem.startswith(problem)
    assert "\n" not in broken.problem


def test_a_line_that_is_too_long_is_broken_and_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "MAX_LINE_BYTES", 200)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'"' + b"x" * 1000 + b'"\n' + json_lines_bytes())
    assert problems(path) == [(1, "must have at most 200 bytes, has more")]


def test_a_parquet_string_that_is_no_utf8_breaks_its_row_only(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    raw = pa.array([b"good", b"\xff\xfe", b"good"])
    candidates = pa.StringArray.from_buffers(3, *raw.buffers()[1:])
    pq.write_table(pa.table({"candidate": candidates, "reference": ["x", "y", "z"]}), path)
    assert [row.number for row in read_all(path) if isinstance(row, FileRow)] == [1, 3]
    assert problems(path) == [(2, "candidate must be UTF-8, has the byte 0xFF after 0 bytes")]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"candidate": ["x"], "text": ["x"]},
            "the column reference is missing; the file has the columns candidate, text; wanted "
            "are candidate, reference, and as you like id, entities",
        ),
        (
            {"candidate": [1], "reference": ["x"]},
            "the column candidate must hold strings, holds int64",
        ),
        (
            {"candidate": ["x"], "reference": ["x"], "entities": ["x"]},
            "the column entities must hold lists of strings, holds string",
        ),
        (
            {"candidate": ["x"], "reference": ["x"], "id": [1.0]},
            "the column id must hold strings or integers, holds double",
        ),
    ],
)
def test_parquet_with_wrong_columns_is_refused_before_a_row_is_read(
    tmp_path: Path, columns: dict[str, list[object]], message: str
) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(UserInputError) as failure:
        open_source(str(path))
    assert message in failure.value.message


def test_parquet_must_list_the_candidates_entities_where_they_count(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"candidate": ["x"], "reference": ["x"]}), path)
    with pytest.raises(UserInputError, match="the column candidate_entities is missing"):
        open_source(str(path), wants_candidate_entities=True)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("rows.csv", b"", "the name must end in .jsonl"),
        ("rows.parquet", b"PAR1 and nothing more", "is no Parquet file"),
        ("rows.parquet", b"", "is no Parquet file"),
        ("absent.jsonl", None, "cannot be read: No such file"),
        ("absent.parquet", None, "cannot be read: "),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_refused(
    tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UserInputError) as failure:
        open_source(str(path))
    assert message in failure.value.message
    assert str(path) in failure.value.message
    assert "\n" not in failure.value.message


def test_a_compressed_file_that_is_cut_short_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(json_lines_bytes() * 1000)[:-40])
    with pytest.raises(UserInputError, match=r"rows\.jsonl\.gz: is cut short: its compressed"):
        read_all(path)


def test_how_much_was_read_is_known_where_the_size_is(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(json_lines_bytes())
    with open_source(str(path)) as source:
        assert source.fraction() == 0
        list(source.batches())
        assert source.fraction() == 1


@given(
    lines=st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b" "))),
    sizes=st.lists(st.integers(1, 9), min_size=1),
    ends_with_newline=st.booleans(),
)
def test_lines_are_the_same_however_they_arrive(
    lines: list[bytes], sizes: list[int], ends_with_newline: bool
) -> None:
    data = io.BytesIO(b"\n".join(lines) + (b"\n" if ends_with_newline else b""))
    chunk_sizes = iter(sizes * 1000)
    most = 8
    got = [
        line
        for batch in split_lines(lambda _: data.read(next(chunk_sizes)), most)
        for line in batch
    ]
    expected = [line if len(line) <= most else None for line in lines]
    if not ends_with_newline and lines and not lines[-1]:
        expected.pop()  # nothing after the last newline is no line
    assert got == expected or (not lines and got == [b""])


LINE = '{"candidate": "x", "reference": "y"}\n'


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (f"[\n{LINE}]".encode(), "; is it a JSON array? write one object a line"),
        (b"{\n", "; is the JSON spread over lines? write one object a line"),
        (b"id,candidate,reference\n1,a,b\n", "; is it CSV? convert it to JSON Lines or Parquet"),
        (LINE.encode("utf-16"), "; the file looks like UTF-16: save it as UTF-8"),
        (LINE.encode("utf-16-le"), "; the file looks like UTF-16: save it as UTF-8"),
        # Without the time of day, which would be part of the test's name.
        (
            gzip.compress(LINE.encode(), mtime=0),
            "; the file is compressed by gzip: let its name end in .gz",
        ),
        (b'{"candidat": "x"}\n', "; the row has 'candidat'"),
        (b'{"candidate": null}\n', "; it is null"),
        (b"{}\n", "; the row has no columns"),
    ],
)
def test_a_file_of_another_kind_is_told_what_it_looks_like(
    tmp_path: Path, data: bytes, hint: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)
    with open_source(str(path)) as source:
        first = next(source.batches())[0]
    assert isinstance(first, BrokenRow)
    assert first.problem.endswith(hint)


def test_plain_text_under_a_compressed_name_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_text(LINE, encoding="utf-8")
    with open_source(str(path)) as source, pytest.raises(UserInputError, match=r"drop \.gz from"):
        list(source.batches())


def test_garbage_behind_the_compressed_data_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(LINE.encode()) + b"garbage")
    with (
        open_source(str(path)) as source,
        pytest.raises(UserInputError, match="is not, or not only, gzip's data"),
    ):
        list(source.batches())
