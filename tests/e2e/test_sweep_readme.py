"""What the READMEs show of sweeps is run here, against the real services with a scripted model."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from services.sweep.run.settings import SweepSettings
from services.sweep.spec.spec import PricesSpec, SweepSpec
from tests.conftest import PROJECT
from tests.contract.scoring_server import scoring_server

pytestmark = pytest.mark.slow

README = (PROJECT / "README.md").read_text(encoding="utf-8")
# One of the catalog, as plans are made by it where no service is named.
MODEL = "qwen2.5-vl-3b-instruct"
SWEEPS = (PROJECT / "deploy" / "sweeps" / "README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    generation = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "services.generation.scripted_server",
            "--with-parent",
            "--model",
            MODEL,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with generation, scoring_server(tmp_path_factory.mktemp("scoring")) as scoring:
        assert generation.stdout is not None
        address = generation.stdout.readline().strip()
        yield {"GENERATION": address, "SCORING": scoring.address}
        generation.terminate()


def test_the_commands_do_what_is_said_and_the_results_are_read_as_shown(
    addresses: dict[str, str], tmp_path: Path
) -> None:
    spec = {
        "dataset": {"folder": str(PROJECT / "deploy" / "expart_mini")},
        "models": [MODEL],
        "limits": {"max_questions_per_split": 2},
        "output": "OUTPUT",
    }
    (tmp_path / "SPEC.yaml").write_text(json.dumps(spec), encoding="utf-8")
    (commands,) = blocks("sh sweep", README)
    (reading,) = blocks("python results", README)
    result = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", commands.replace("SPEC", "SPEC.yaml")],
        cwd=tmp_path,
        env={
            **os.environ,
            **addresses,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    # 2 splits x 2 questions x 2 settings
    assert "8 questions planned; 8 answered, 0 failed, 8 scored" in result.stdout
    assert "8 answers stored; 8 scored now, 0 left" in result.stdout
    assert "no fault" in result.stdout
    for line in re.findall(r"^ +(\S.*?)  +", SWEEPS.partition("## The output")[2], re.MULTILINE):
        if line.endswith(("/", ".json")):
            for name in line.split():
                assert list((tmp_path / "OUTPUT").glob(f"shards/*/{name}")), name
    for name in ("leaderboard.json", "leaderboard.csv", "costs.csv"):
        assert (tmp_path / "OUTPUT" / name).exists()
    read = subprocess.run(
        [sys.executable, "-c", reading],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert re.search(rf"^{MODEL} +with_title +0\.", read.stdout, flags=re.MULTILINE)
    assert "rouge_l" in read.stdout
    _make_the_reports(tmp_path)


def _make_the_reports(folder: Path) -> None:
    shutil.copytree(folder / "OUTPUT", folder / "OTHER")
    (commands,) = blocks("sh report", README)
    made = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert made.returncode == 0, made.stderr
    assert (folder / "OUTPUT" / "report" / "report.html").exists()
    beside = README.partition("- **Beside it** lie")[2].partition("Answers that")[0]
    names = {path.name for path in (folder / "OUTPUT" / "report").iterdir()}
    assert {"comparisons.csv", "entities.csv"} <= set(re.findall(r"`(\w+\.csv)`", beside)) & names
    assert {f"leaderboard.{kind}" for kind in ("csv", "json", "md", "tex")} <= names


def test_what_is_shown_of_specs_is_right() -> None:
    ways, prices = map(yaml.safe_load, blocks("yaml", SWEEPS))
    models = ["gpt-4o", {"model": "llava-1.5-7b", "adapter": "expart-tuned"}]
    spec = SweepSpec.model_validate(
        {"dataset": {"folder": "."}, "models": models, "output": "out", **ways, **prices}
    )
    assert list(spec.prompts) == ["plain", "curator"]
    assert isinstance(spec.prices, PricesSpec)
    assert spec.prices.currency == "EUR"


def test_every_setting_of_the_driver_is_told_with_its_default() -> None:
    table = SWEEPS.partition("| `EXPART_SWEEP_…` |")[2].partition("\n\n")[0]
    told: dict[str, str] = {}
    rows = re.findall(r"^\| (`[A-Z].*?) \| (.*?) \| .*? \|$", table, flags=re.MULTILINE)
    for names, defaults in rows:
        told.update(zip(re.findall(r"`([A-Z_]+)`", names), defaults.split(", "), strict=True))
    fields = SweepSettings.model_fields
    assert set(told) == {name.upper() for name in fields} - {"COMPLETION_INDEX"}
    assert "`JOB_COMPLETION_INDEX`" in SWEEPS
    for name, shown in told.items():
        default = fields[name.lower()].default
        assert shown == ("none" if name == "SHARD_INDEX" else f"{default or 1:g}"), name


@pytest.mark.parametrize(
    "readme",
    sorted([*PROJECT.glob("*/README.md"), *PROJECT.glob("*/*/README.md")]),
    ids=lambda path: path.parent.name,
)
def test_every_file_that_a_readme_links_to_exists(readme: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)[)#]", readme.read_text(encoding="utf-8")):
        assert (readme.parent / link).exists(), link
