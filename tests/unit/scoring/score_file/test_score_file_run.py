"""Rows are scored in their order, a bounded number at a time, whatever becomes of some of them."""

import asyncio
import io
import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from services.core.errors import InternalError, InvalidRequestError, UserInputError
from services.metrics import ScoringOptions
from services.scoring.score_file import run as run_module
from services.scoring.score_file.job import ScoreFileJob, score_file
from services.scoring.score_file.row import FileRow
from services.scoring.score_file.row_scorer import ScoreFileError, ScoringChoice
from services.scoring.score_file.summary import FileSummary
from tests.unit.scoring.score_file.scripted_scorer import ScriptedRowScorer


def write_rows(folder: Path, candidates: list[str]) -> Path:
    path = folder / "rows.jsonl"
    rows = [{"candidate": candidate, "reference": "x"} for candidate in candidates]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


async def score(
    path: Path, scorer: ScriptedRowScorer, *, out: Path | None = None, skip_bad: bool = False
) -> FileSummary:
    choice = ScoringChoice((), ScoringOptions())
    job = ScoreFileJob(str(path), choice, out, overwrite=False, skip_bad=skip_bad)
    return await score_file(job, scorer, Console(file=io.StringIO()))


def rows_of(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_scores_are_written_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = write_rows(tmp_path, ["x" * length for length in range(20)])
    # The earlier a row is, the later it is answered.
    scorer = ScriptedRowScorer(delay_s=lambda row: (20 - row.number) / 500)
    summary = await score(path, scorer, out=tmp_path / "out.jsonl")
    assert [(row["row"], row["length"]) for row in rows_of(tmp_path / "out.jsonl")] == [
        (length + 1, length) for length in range(20)
    ]
    # 0 + 1 + ... + 19 = 190
    assert (summary.scored_count, summary.metrics[0].aggregate.mean) == (20, 9.5)


async def test_only_so_many_rows_are_in_flight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_MAX_ROWS_IN_FLIGHT", 8)
    path = write_rows(tmp_path, ["x"] * 100)
    scorer = ScriptedRowScorer()
    await score(path, scorer)
    assert (len(scorer.submitted), scorer.most_in_flight) == (100, 8)


async def test_large_rows_are_in_flight_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "_MAX_BYTES_IN_FLIGHT", 1000)
    path = write_rows(tmp_path, ["x" * 2000] * 5)
    scorer = ScriptedRowScorer()
    await score(path, scorer)
    assert (len(scorer.submitted), scorer.most_in_flight) == (5, 1)


def refuses(number: int) -> Callable[[FileRow], Exception | None]:
    error = InvalidRequestError("item.reference must not be blank")
    return lambda row: error if row.number == number else None


async def test_the_first_broken_row_of_the_file_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    path = write_rows(tmp_path, ["x"] * 10)
    with path.open("a", encoding="utf-8") as file:
        file.write("no JSON\n")
    # The last row is known to be broken at once, and row 3 only after a while.
    scorer = ScriptedRowScorer(failure=refuses(3), delay_s=lambda _: 0.02)
    with pytest.raises(UserInputError) as failure:
        await score(path, scorer, out=tmp_path / "out.jsonl")
    assert failure.value.message == f"{path}: line 3: reference must not be blank"
    assert names_in(tmp_path) == ["rows.jsonl"]


async def test_skipped_rows_are_counted_and_told(tmp_path: Path) -> None:
    path = write_rows(tmp_path, ["x"] * 4)
    scorer = ScriptedRowScorer(failure=refuses(3))
    summary = await score(path, scorer, out=tmp_path / "out.jsonl", skip_bad=True)
    assert (summary.scored_count, summary.skipped_count) == (3, 1)
    assert [row.problem for row in summary.first_broken] == ["reference must not be blank"]
    assert [(row["row"], row["length"], row["problem"]) for row in rows_of(tmp_path / "out.jsonl")][
        1:3
    ] == [(2, 1.0, None), (3, None, "reference must not be blank")]


async def test_only_the_first_few_of_many_broken_rows_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("oops\n" * 1000 + '{"candidate": "x", "reference": "x"}', encoding="utf-8")
    summary = await score(path, ScriptedRowScorer(), skip_bad=True)
    assert (summary.scored_count, summary.skipped_count) == (1, 1000)
    assert [row.number for row in summary.first_broken] == list(range(1, 11))


async def test_a_fault_of_the_service_with_one_row_breaks_that_row_only(tmp_path: Path) -> None:
    path = write_rows(tmp_path, ["x"] * 3)
    error = InternalError("a worker was lost twice while it scored this item")
    scorer = ScriptedRowScorer(failure=lambda row: error if row.number == 2 else None)
    summary = await score(path, scorer, skip_bad=True)
    assert [row.describe("line") for row in summary.first_broken] == [
        "line 2: a worker was lost twice while it scored this item"
    ]


async def test_what_concerns_all_rows_ends_even_a_patient_run(tmp_path: Path) -> None:
    path = write_rows(tmp_path, ["x"] * 3)
    error = ScoreFileError("the service is gone")
    scorer = ScriptedRowScorer(failure=lambda row: error if row.number == 2 else None)
    with pytest.raises(ScoreFileError, match="the service is gone"):
        await score(path, scorer, out=tmp_path / "out.jsonl", skip_bad=True)
    assert names_in(tmp_path) == ["rows.jsonl"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("\n \n", "has no rows"),
        ("oops\noops\n", "all of its 2 rows are broken; the first: line 1: must be a JSON object"),
    ],
)
async def test_a_file_without_a_row_to_score_is_an_error(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserInputError) as failure:
        await score(path, ScriptedRowScorer(), out=tmp_path / "out.parquet", skip_bad=True)
    assert message in failure.value.message
    assert names_in(tmp_path) == ["rows.jsonl"]


@pytest.mark.parametrize("busy_count", [1, 512], ids=["at the first row", "waiting for room"])
async def test_cancelling_leaves_no_file_and_no_thread(tmp_path: Path, busy_count: int) -> None:
    path = write_rows(tmp_path, ["x"] * 50_000)
    scorer = ScriptedRowScorer(delay_s=lambda _: 60.0, busy_count=busy_count)
    task = asyncio.create_task(score(path, scorer, out=tmp_path / "out.jsonl"))
    await scorer.is_busy.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert names_in(tmp_path) == ["rows.jsonl"]
    for thread in threading.enumerate():
        if thread.name == "row-reader":
            thread.join(timeout=10)
            assert not thread.is_alive()
