"""``expart models check --ask``: models that are really started and asked."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.conftest import PROJECT

pytestmark = pytest.mark.slow

SCRIPTED = "name: {name}\nengine: scripted\nmax_model_len: 128\nscripted: {{{script}}}\n"


def start(catalog: Path, models: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "services.cli",
            "models",
            "check",
            "--ask",
            *arguments,
            "--folder",
            str(catalog),
        ],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={
            **os.environ,
            "EXPART_GENERATION_MODELS_FOLDER": str(models),
            "EXPART_CLI_LOG_FOLDER": str(catalog / "log"),
        },
    )


def test_a_model_answers_about_the_picture_and_one_that_cannot_load_says_why(
    demo_models: Path, tmp_path: Path
) -> None:
    shutil.copy(PROJECT / "deploy" / "models" / "demo-tiny.yaml", tmp_path)
    broken = SCRIPTED.format(name="broken", script="load_error: the disk is full")
    (tmp_path / "broken.yaml").write_text(broken, encoding="utf-8")
    process = start(tmp_path, demo_models, "--json")
    out, err = process.communicate(timeout=280)
    assert process.returncode == 1, err
    found = {entry["name"]: entry for entry in json.loads(out)["entries"]}
    answer = found["demo-tiny"]["answer"]
    assert answer["failure"] == ""
    # The model learnt by heart what is said of the picture that is asked about by default.
    assert "Senecio" in answer["text"]
    assert answer["engine"].startswith("vllm ")
    assert 0 < answer["first_token_s"] <= answer["total_s"]
    assert 0 < answer["image_tokens"] < answer["prompt_tokens"]
    assert "the disk is full" in found["broken"]["answer"]["failure"]
    assert "loading demo-tiny" in err


def test_ctrl_c_while_a_model_loads_leaves_nothing_running(tmp_path: Path) -> None:
    slow = SCRIPTED.format(name="slow", script="load_s: 600")
    (tmp_path / "slow.yaml").write_text(slow, encoding="utf-8")
    process = start(tmp_path, tmp_path)
    assert process.stdout is not None
    while "loading slow" not in process.stdout.readline():
        assert process.poll() is None
    started = psutil.Process(process.pid).children(recursive=True)
    assert started
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "expart: interrupted\n")
    deadline = time.monotonic() + 10
    while any(child.is_running() for child in started) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [child for child in started if child.is_running()]
