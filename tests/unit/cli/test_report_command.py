"""``expart report``: what it writes and prints, and what it refuses."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from services.cli.app import make_app
from services.cli.report_writing import report_folder
from services.core.errors import UserInputError
from services.sweep.plan.plan import Job
from tests.unit.sweep.report.reported_sweep import MINI, finish_sweep, truthful

TABLES = {"leaderboard.csv", "leaderboard.json", "leaderboard.md", "leaderboard.tex"}
FILES = {*TABLES, "comparisons.csv", "entities.csv", "report.html"}
FAST = ("--resamples", "100")


def report(*arguments: object) -> Result:
    given = ["report", *map(str, arguments)]
    return CliRunner().invoke(make_app(["report"]), given)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def refusal(ended: Result) -> str:
    assert isinstance(ended.exception, UserInputError), ended.output
    assert "\n" not in ended.exception.message
    return ended.exception.message


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "out"
    finish_sweep(folder, artworks=2)
    return folder


def test_a_report_of_one_sweep_stands_in_its_output(output: Path) -> None:
    ended = report(output, *FAST)
    assert ended.exit_code == 0, ended.output
    assert names(output / "report") == FILES
    assert ended.stdout.splitlines()[-1] == f"report: {output / 'report' / 'report.html'}"
    assert "alpha" in ended.stdout
    with (output / "report" / "leaderboard.csv").open(encoding="utf-8", newline="") as stream:
        assert {row["model"] for row in csv.DictReader(stream)} == {"alpha", "beta"}


def test_options_reach_the_report(output: Path, tmp_path: Path) -> None:
    options = ("--metrics", "length, bleu", "--micro", "--seed", 7, "--out", tmp_path / "new")
    ended = report(output, *FAST, *options)
    assert ended.exit_code == 0, ended.output
    document = json.loads((tmp_path / "new" / "leaderboard.json").read_text(encoding="utf-8"))
    assert list(document["signatures"]) == ["bleu", "length"]
    assert document["signatures"]["bleu"]["micro"] is not None
    how = document["resampling"]
    assert (how["resamples"], how["seed"]) == (100, 7)


def test_a_spec_names_its_output(output: Path, tmp_path: Path) -> None:
    spec = {"dataset": {"folder": str(MINI)}, "models": ["alpha"], "output": str(output)}
    (tmp_path / "sweep.yaml").write_text(json.dumps(spec), encoding="utf-8")
    ended = report(tmp_path / "sweep.yaml", *FAST, "--answers", 0)
    assert ended.exit_code == 0, ended.output
    assert str(output / "report") in ended.stdout


@pytest.mark.parametrize(
    ("outputs", "folder"),
    [
        (["out"], "out/report"),
        (["out/shards/00000-of-00002"], "report"),
        (["one", "two"], "report"),
        (["s3://bucket/out"], "report"),
    ],
)
def test_where_a_report_stands_by_default(outputs: list[str], folder: str) -> None:
    assert report_folder(outputs) == Path(folder)


def test_nothing_is_made_where_there_is_no_sweep(tmp_path: Path) -> None:
    ended = report(tmp_path / "nothing")
    assert refusal(ended) == f"{tmp_path / 'nothing'}: there is no sweep here"
    assert names(tmp_path) == set()


def test_a_folder_that_cannot_be_written_is_told_in_one_line(output: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "cannot be written" in refusal(report(output, "--out", tmp_path / "file" / "new"))
    assert "folder on this machine" in refusal(report(output, "--out", "s3://bucket/report"))


def test_limits_are_checked_before_anything_is_read(tmp_path: Path) -> None:
    assert "--compare" in refusal(report(tmp_path, "--fail-below", "ef1=1"))
    wrong = report(tmp_path, tmp_path, "--compare", "--fail-below", "ef1")
    assert "METRIC=AMOUNT" in refusal(wrong)


def test_a_comparison_takes_two_sweeps(output: Path) -> None:
    assert "takes two outputs" in refusal(report(output, "--compare"))


@pytest.fixture(scope="module")
def fallen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same sweep, but alpha has nothing to say With Title."""

    def answer(job: Job) -> str | None:
        fails = job.model.label == "alpha" and job.question.setting == "with_title"
        return "Nothing." if fails else truthful(job)

    folder = tmp_path_factory.mktemp("fallen") / "new"
    finish_sweep(folder, artworks=2, answer=answer)
    return folder


def test_a_comparison_says_what_changed_and_writes_on_request(
    output: Path, fallen: Path, tmp_path: Path
) -> None:
    ended = report("--compare", output, fallen, *FAST, "--out", tmp_path)
    assert ended.exit_code == 0, ended.output
    assert names(tmp_path) == {"comparison.json", "comparison.md"}
    assert "alpha" in ended.stdout


def test_a_metric_that_fell_too_far_is_exit_code_1_with_a_line_each(
    output: Path, fallen: Path
) -> None:
    limited = ("--fail-below", "ec_exact=2", "--fail-below", "length=1000")
    ended = report("--compare", output, fallen, *FAST, *limited)
    assert ended.exit_code == 1
    [line] = ended.stderr.splitlines()
    assert "ec_exact" in line
    assert "alpha" in line
    # The other way round it rose.
    ended = report("--compare", fallen, output, *FAST, *limited)
    assert ended.exit_code == 0, ended.output
    assert ended.stderr == ""


def test_a_dataset_that_moved_is_named(tmp_path: Path) -> None:
    shutil.copytree(MINI, tmp_path / "dataset")
    finish_sweep(tmp_path / "out", models=("alpha",), artworks=1, dataset=tmp_path / "dataset")
    (tmp_path / "dataset").rename(tmp_path / "moved")
    ended = report(tmp_path / "out", *FAST)
    assert ended.exit_code == 0, ended.output
    assert names(tmp_path / "out" / "report") == FILES - {"entities.csv"}
    ended = report(tmp_path / "out", *FAST, "--dataset", tmp_path / "moved")
    assert ended.exit_code == 0, ended.output
    assert names(tmp_path / "out" / "report") == FILES
    said = refusal(report(tmp_path / "out", "--dataset", tmp_path))
    assert "test_seen" in said
    assert "is missing" in said


@pytest.mark.parametrize(
    "options", [("--micro",), ("--dataset", "data"), ("--answers", "0"), ("--no-pictures",)]
)
def test_options_of_the_page_are_refused_where_none_is_made(options: tuple[str, ...]) -> None:
    ended = report("one", "two", "--compare", *options)
    assert refusal(ended) == f"{options[0]} does not go with --compare, which makes no page"
