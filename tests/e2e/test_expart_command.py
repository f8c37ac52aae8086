"""The command that users run, against the real stack."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from deltalake import DeltaTable

from tests.conftest import LocalStack
from tests.expart_process import PROJECT, expart_process

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def expart(*arguments: str, log_folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *arguments],
        cwd=PROJECT,
        env={**os.environ, "EXPART_CLI_LOG_FOLDER": str(log_folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def write_spec(folder: Path, **changes: object) -> Path:
    spec: dict[str, object] = {
        "dataset": {"folder": str(PROJECT / "deploy" / "expart_mini")},
        "models": ["demo-smol", "demo-tiny"],
        "sampling": {"max_tokens": 24, "temperature": 0},
        "limits": {"max_questions_per_split": 3},
        "output": "out",
    }
    path = folder / "sweep.yaml"
    path.write_text(json.dumps({**spec, **changes}), encoding="utf-8")
    return path


def run_on(quickstart: LocalStack, spec: Path) -> subprocess.CompletedProcess[str]:
    return expart(
        *("sweep", "run", str(spec)),
        *("--generation", quickstart.generation, "--scoring", quickstart.scoring),
        log_folder=spec.parent / "log",
    )


def generations(output: Path) -> Path:
    return output / "shards" / "00000-of-00001" / "generations"


def keys_of(output: Path) -> list[object]:
    table = generations(output)
    if not DeltaTable.is_deltatable(str(table)):
        return []
    return list(DeltaTable(table).to_pyarrow_table()["key"].to_pylist())


def test_a_sweep_ends_in_a_leaderboard_on_the_screen_and_in_files(
    quickstart: LocalStack, tmp_path: Path
) -> None:
    result = run_on(quickstart, write_spec(tmp_path))
    assert result.returncode == 0, result.stderr
    for shown in ("demo-smol", "demo-tiny", "EF1", "ECooc", "BLEU", "seen", "unseen"):
        assert shown in result.stdout
    out = tmp_path / "out"
    # 2 splits x 3 questions x 2 settings x 2 models
    keys = keys_of(out)
    assert len(keys) == len(set(keys)) == 24
    with (out / "leaderboard.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    places = {(row["model"], row["setting"], row["part"]) for row in rows}
    assert places == {
        (model, setting, part)
        for model in ("demo-smol", "demo-tiny")
        for setting in ("with_title", "without_title")
        for part in ("seen", "unseen", "all")
    }
    board = json.loads((out / "leaderboard.json").read_text(encoding="utf-8"))
    bleu = board["standings"][0]["metrics"]["bleu"]
    assert bleu["signature"].startswith("bleu|")


def test_the_title_helps_where_the_picture_is_not_recognised(
    quickstart: LocalStack, tmp_path: Path
) -> None:
    # demo-smol has never seen the unseen works: what it says of them right, it has from the title.
    spec = write_spec(
        tmp_path,
        models=["demo-smol"],
        splits=["test_unseen"],
        sampling={"max_tokens": 64, "temperature": 0},
        limits={},
    )
    result = run_on(quickstart, spec)
    assert result.returncode == 0, result.stderr
    with (tmp_path / "out" / "leaderboard.csv").open(encoding="utf-8", newline="") as stream:
        unseen = {row["setting"]: row for row in csv.DictReader(stream) if row["part"] == "unseen"}
    for metric in ("ec_partial", "rouge_1", "bleu"):
        assert float(unseen["with_title"][metric]) > float(unseen["without_title"][metric]), metric


def test_a_finished_sweep_run_again_asks_for_nothing(
    quickstart: LocalStack, tmp_path: Path
) -> None:
    spec = write_spec(tmp_path, models=["demo-tiny"], limits={"max_questions_per_split": 1})
    first = run_on(quickstart, spec)
    files = DeltaTable(generations(tmp_path / "out")).file_uris()
    second = run_on(quickstart, spec)
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "nothing to ask" in second.stdout
    assert DeltaTable(generations(tmp_path / "out")).file_uris() == files
    table = first.stdout[first.stdout.index("model ") :]
    assert second.stdout.endswith(table)


def test_ctrl_c_saves_what_is_done_and_ends_every_process(
    demo_models: Path, tmp_path: Path
) -> None:
    spec = write_spec(
        tmp_path,
        models=["demo-tiny"],
        limits={},
        concurrency=1,
        sampling={"max_tokens": 96, "temperature": 0},
    )
    with expart_process(
        *("sweep", "run", str(spec), "--local"),
        EXPART_GENERATION_MODELS_FOLDER=str(demo_models),
        EXPART_CLI_LOG_FOLDER=str(tmp_path / "log"),
    ) as process:
        deadline = time.monotonic() + 240
        while not keys_of(tmp_path / "out"):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "nothing is answered"
            time.sleep(0.2)
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=90)
        _, alive = psutil.wait_procs(started, timeout=10)
    assert process.returncode == 130, errors
    assert "stopping: saving what is done" in output
    assert not alive
    keys = keys_of(tmp_path / "out")
    assert 0 < len(keys) == len(set(keys)) < 88


def test_a_stack_that_is_lost_ends_the_command_with_one_line(
    demo_models: Path, tmp_path: Path
) -> None:
    with expart_process(
        *("serve", "--json", "--model", "demo-tiny"),
        EXPART_GENERATION_MODELS_FOLDER=str(demo_models),
        EXPART_CLI_LOG_FOLDER=str(tmp_path),
    ) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())
        started = psutil.Process(process.pid).children(recursive=True)
        (host,) = [one for one in started if "services.generation.local_host" in one.cmdline()]
        host.kill()
        _, errors = process.communicate(timeout=60)
        _, alive = psutil.wait_procs(started, timeout=30)
    assert process.returncode == 1
    assert errors.splitlines()[-1].startswith("expart: error: the generation service ended")
    assert str(tmp_path / "generation.log") in errors
    assert not alive
