"""What the documentation shows of ``expart`` is run here, with a scripted model."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import PROJECT
from tests.contract.scoring_server import scoring_server

pytestmark = pytest.mark.slow

DOCS = PROJECT / "docs"
# Of the catalog; its weights are pinned, so that no plan asks the hub.
MODEL = "idefics3-8b"


def block(page: str, name: str) -> str:
    text = (DOCS / page).read_text(encoding="utf-8")
    (found,) = re.findall(rf"^```sh {name}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    command = ["-m", "services.generation.scripted_server", "--with-parent", "--model", MODEL]
    generation = subprocess.Popen(
        [sys.executable, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with generation, scoring_server(tmp_path_factory.mktemp("scoring")) as scoring:
        assert generation.stdout is not None
        yield {"GENERATION": generation.stdout.readline().strip(), "SCORING": scoring.address}
        generation.terminate()


def run(commands: str, folder: Path, addresses: dict[str, str]) -> str:
    spec = {"SPEC": "SPEC.yaml"}
    for name, meant in spec.items():
        commands = re.sub(rf"\b{name}\b", meant, commands)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", commands],
        cwd=folder,
        env={**os.environ, **addresses, "PATH": path, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_commands_of_sizing_backup_and_the_guide_do_what_is_said(
    addresses: dict[str, str], tmp_path: Path
) -> None:
    spec = {
        "dataset": {"folder": str(PROJECT / "deploy" / "expart_mini")},
        "models": [MODEL],
        "limits": {"max_questions_per_split": 10},
        "output": "OUTPUT",
    }
    (tmp_path / "SPEC.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    asked = run(block("backup.md", "restore"), tmp_path, addresses)
    # 2 splits, 10 questions each in 2 settings.
    assert "40 to ask, 0 answered before" in asked
    assert (tmp_path / "OUTPUT" / "leaderboard.json").exists()

    planned = run(block("sizing.md", "capacity"), tmp_path, addresses)
    assert "40 of 40 questions are left to ask" in planned  # of the weights that the catalog pins
    assert "measured: idefics3-8b:" in planned
    assert "assumed: idefics3-8b:" in planned
    assert '"format": "expart-capacity/1"' in planned

    assert "no fault" in run(block("backup.md", "copy"), tmp_path, addresses)
    (tmp_path / "SPEC.yaml").write_text(yaml.safe_dump({**spec, "output": "COPY"}))
    restored = run(block("backup.md", "restore"), tmp_path, addresses)
    assert "nothing to do: every question is settled" in restored

    shown = run(block("install-on-kubernetes.md", "results"), tmp_path, addresses)
    assert "measured: idefics3-8b:" in shown
    assert (tmp_path / "report" / "report.html").exists()
