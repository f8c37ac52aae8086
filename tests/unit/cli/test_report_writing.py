"""Reports are written whatever the results are, and wherever the answers lie."""

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from services.cli.report_writing import MadeReport, make_report, print_made
from services.sweep.plan.plan import Job
from services.sweep.report import files
from services.sweep.report.build import ReportOptions
from services.sweep.report.viewer.data import ViewerOptions
from services.sweep.results.store import ResultStore
from services.sweep.spec.sharding import Shard
from tests.unit.sweep.report.reported_sweep import finish_sweep, truthful


def make(output: Path, answers: ViewerOptions | None = None) -> MadeReport:
    options = ReportOptions(resamples=100, micro=True)
    return make_report(
        [str(output)], options, answers or ViewerOptions(), output / "report", lambda note: None
    )


def printed(made: MadeReport) -> str:
    console = Console(file=io.StringIO(), width=80)
    print_made(made, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def nothing(job: Job) -> None:
    del job


def only_alpha(job: Job) -> str | None:
    return truthful(job) if job.model.label == "alpha" else None


ONE_QUESTION = {
    "models": ("alpha",),
    "splits": ["test_unseen"],
    "settings": ["with_title"],
    "limits": {"max_questions_per_split": 1},
}


@pytest.mark.parametrize(
    "declared",
    [
        {"answer": nothing},
        {"answer": only_alpha},
        {"answer": lambda job: ""},
        {"answer": lambda job: "A swan.", "metrics": ["length", "ecooc_0"]},
        ONE_QUESTION,
        {"controls": ["no_image"]},
        {"splits": ["train"], "limits": {"max_questions_per_split": 1}},
    ],
    ids=[
        *("all failed", "one failed", "empty answers", "ties", "one question", "only a control"),
        "no part of the test",
    ],
)
def test_results_of_little_use_make_a_report(tmp_path: Path, declared: dict[str, object]) -> None:
    finish_sweep(tmp_path, artworks=1, **{"metrics": ["ef1", "length"], **declared})  # type: ignore[arg-type]
    made = make(tmp_path)
    assert "alpha" in printed(made)
    assert "alpha" in made.page.read_text(encoding="utf-8")


@pytest.mark.parametrize("lost", ["generations", "scores"])
def test_what_is_not_asked_or_scored_yet_makes_a_report(tmp_path: Path, lost: str) -> None:
    finish_sweep(tmp_path, models=("alpha",), artworks=1, metrics=["length"])
    shutil.rmtree(Path(ResultStore(tmp_path).folder(Shard()).uri) / lost)
    made = make(tmp_path)
    assert "not there, or not scored, yet" in printed(made)
    # Answers that are not scored are shown nevertheless.
    assert 'expart.add("index"' in made.page.read_text(encoding="utf-8")


def test_answers_that_do_not_fit_into_the_page_lie_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish_sweep(tmp_path, models=("alpha",), artworks=1, metrics=["length"])
    inside = make(tmp_path).page
    assert not (inside.parent / "report_data").exists()
    text = inside.read_text(encoding="utf-8")
    assert 'expart.add("index"' in text
    monkeypatch.setattr(files, "MOST_INLINE_BYTES", 1000)
    beside = make(tmp_path).page
    assert 'expart.add("index"' not in beside.read_text(encoding="utf-8")
    data = beside.parent / "report_data"
    names = {str(file.relative_to(data)) for file in data.rglob("*.js")}
    assert {"index.js", "chunk/0.js", "pictures/0.js"} <= names
    # The same scripts, byte for byte.
    for name in names:
        assert (data / name).read_text(encoding="utf-8") in text


def test_without_answers_the_page_has_no_data(tmp_path: Path) -> None:
    finish_sweep(tmp_path, models=("alpha",), artworks=1, metrics=["length"])
    page = make(tmp_path, ViewerOptions(most_answers=0)).page
    assert 'expart.add("' not in page.read_text(encoding="utf-8")
    assert not (page.parent / "report_data").exists()
    without = make(tmp_path, ViewerOptions(with_pictures=False)).page
    text = without.read_text(encoding="utf-8")
    assert 'expart.add("chunk/0"' in text
    assert 'expart.add("pictures/0"' not in text
