"""``expart report`` as users call it, on sweeps that have ended."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.sweep.results.store import ResultStore
from services.sweep.spec.sharding import Shard
from tests.contract.scoring_server import wait_until
from tests.expart_process import PROJECT, expart_process
from tests.unit.sweep.report.reported_sweep import MINI, finish_sweep

pytestmark = pytest.mark.slow

TABLES = {"leaderboard.csv", "leaderboard.json", "leaderboard.md", "leaderboard.tex"}
FILES = {*TABLES, "comparisons.csv", "entities.csv", "report.html"}


def expart(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def refused(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert ended.stdout == ""
    [line] = ended.stderr.splitlines()
    assert line.startswith("expart: error: ")
    return line


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweeps") / "one"
    finish_sweep(folder, artworks=2)
    return folder


def test_a_report_is_files_that_need_nothing_else_and_a_table(one: Path, tmp_path: Path) -> None:
    ended = expart("report", one, folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    for shown in ("alpha", "beta", "EF1", "seen", "unseen", "Signatures"):
        assert shown in ended.stdout
    assert ended.stdout.endswith(f"report: {one / 'report' / 'report.html'}\n")
    assert {entry.name for entry in (one / "report").iterdir()} == FILES
    page = (one / "report" / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    # Nothing is loaded from anywhere; namespaces of SVG load nothing.
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"?https?:", page)
    assert "expart.add(" in page
    # The sweep itself is as it was: a second report is the same but for its time.
    again = expart("report", one, folder=tmp_path)
    assert again.returncode == 0
    assert (one / "report" / "leaderboard.csv").is_file()


def test_two_sweeps_and_the_shards_of_a_third_stand_in_one_report(
    one: Path, tmp_path: Path
) -> None:
    finish_sweep(tmp_path / "two", models=("gamma",), artworks=2)
    for index in range(2):
        finish_sweep(tmp_path / "three", models=("delta",), artworks=2, shard=Shard(index, 2))
    shards = [ResultStore(tmp_path / "three").folder(Shard(index, 2)).uri for index in range(2)]
    ended = expart("report", one, tmp_path / "two", *shards, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.endswith("report: report/report.html\n")
    assert {entry.name for entry in (tmp_path / "report").iterdir()} == FILES
    table = (tmp_path / "report" / "leaderboard.csv").read_text(encoding="utf-8")
    for model in ("alpha", "beta", "gamma", "delta"):
        assert model in table
    # A shard alone is a report of its own, which names what is missing.
    ended = expart("report", shards[0], "--out", "part", "--answers", 0, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "00001-of-00002" in ended.stdout


def test_what_cannot_stand_in_one_report_is_refused_in_one_line(one: Path, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    assert f"{nothing}: there is no sweep here" in refused(
        expart("report", nothing, folder=tmp_path)
    )
    other = tmp_path / "other"
    finish_sweep(other, artworks=2, scoring_options={"case": "insensitive"})
    said = refused(expart("report", one, other, folder=tmp_path))
    assert "carry different signatures" in said
    assert f"{one} and {other}" in said
    shutil.copytree(MINI, tmp_path / "dataset")
    file = tmp_path / "dataset" / "test_seen.json"
    file.write_text(file.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    changed = tmp_path / "changed"
    finish_sweep(changed, artworks=2, dataset=tmp_path / "dataset")
    said = refused(expart("report", one, changed, folder=tmp_path))
    assert f"{one} and {changed} cannot stand in one report" in said
    # Nothing was made by any of it.
    assert not (tmp_path / "report").exists()


def test_a_model_that_got_worse_fails_the_check(one: Path, tmp_path: Path) -> None:
    finish_sweep(tmp_path / "new", artworks=2, answer=lambda job: "Nothing.")
    limited = ("--compare", "--fail-below", "ec_exact=1")
    ended = expart("report", one, tmp_path / "new", *limited, folder=tmp_path)
    assert ended.returncode == 1
    lines = ended.stderr.splitlines()
    # Both models, in both settings.
    assert len(lines) == 4
    assert all("ec_exact" in line for line in lines)
    assert expart("report", one, one, *limited, folder=tmp_path).returncode == 2
    ended = expart("report", tmp_path / "new", one, *limited, folder=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_ctrl_c_leaves_the_report_that_was_there(one: Path, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("the old one", encoding="utf-8")
    # More draws than there is time for.
    options = ("--resamples", "1000000", "--out", str(tmp_path))
    with expart_process("report", str(one), *options) as process:
        wait_until(lambda: any(tmp_path.glob(".report-*")), "it does not begin")
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)
    assert (process.returncode, *said) == (130, "", "expart: interrupted\n")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == "the old one"
