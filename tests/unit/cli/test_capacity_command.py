"""``expart plan-capacity``: what it prints, for people and for programs, and what it refuses."""

import json
from pathlib import Path

import pytest
import yaml

from services.cli.app import run

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def spec_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    (catalog / "alpha.yaml").write_text(
        "name: alpha\nsource: {hub: x/y, revision: " + "a" * 40 + "}\nmax_model_len: 4096\n"
        "num_gpus: 1\nmemory_gib: 24\nengine_arguments: {max_num_seqs: 15}\n"
        "scaling: {max_replicas: 2}\n"
    )
    (catalog / "beta.yaml").write_text("name: beta\nengine: scripted\nmax_model_len: 4096\n")
    monkeypatch.setenv("EXPART_GENERATION_CATALOG_FOLDER", str(catalog))
    spec = {
        "dataset": {"folder": str(PROJECT / "deploy" / "expart_mini")},
        "models": ["alpha", "beta"],
        "controls": ["none", "no_image"],
        "replicates": 2,
        "prices": {"currency": "EUR", "models": {"alpha": {"per_gpu_hour": 3.6}}},
        "output": "results",
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert run([*arguments, "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_it_counts_what_the_plan_counts(
    spec_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = document(capsys, "sweep", "plan", str(spec_file))
    capacity = document(capsys, "plan-capacity", str(spec_file))
    counted: dict[str, list[int]] = {}
    for cell in plan["cells"]:  # type: ignore[attr-defined]
        counts = counted.setdefault(cell["model"], [0, 0, 0, 0])
        for place, name in enumerate(("planned", "done", "to_ask", "to_score")):
            counts[place] += cell[name]
    assert counted == {
        model["label"]: [model[name] for name in ("planned", "done", "to_ask", "to_score")]
        for model in capacity["models"]  # type: ignore[attr-defined]
    }
    # 44 questions of ExpArt-mini in two settings, under two controls, twice.
    assert counted["alpha"][2] == 352
    tokens = [model["output_tokens"] for model in capacity["models"]]  # type: ignore[attr-defined]
    estimate: dict[str, list[dict[str, int]]] = plan["estimate"]  # type: ignore[assignment]
    assert tokens == [model["output_tokens"] for model in estimate["models"]]


def test_the_hours_and_the_money_are_those_of_a_calculation_by_hand(
    spec_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--replicas", "alpha=2", "--output-tokens", "100", "--load-s", "0")
    capacity = document(capsys, "plan-capacity", str(spec_file), *options, "--drivers", "4")
    alpha = capacity["models"][0]  # type: ignore[index]
    # 100 tokens at 20 a second are 5 s; 15 places, 2 replicas: 6 questions/s.
    assert alpha["questions_per_s"] == pytest.approx(6)
    assert alpha["seconds"] == pytest.approx(352 / 6)
    assert alpha["cost"] == pytest.approx(2 * 352 / 6 * 3.6 / 3600)
    assert (alpha["gpus"], alpha["pace_basis"]) == (2, "assumed")


def test_it_prints_a_table_what_it_rests_on_and_what_to_do(
    spec_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wish = ("--hours", "0.1", "--gpu", "T4=14.5", "--gpu", "L40S")
    assert run(["plan-capacity", str(spec_file), *wish]) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert lines[0] == "mine: 704 of 704 questions are left to ask"
    (row,) = [line.split() for line in lines if line.startswith("alpha")]
    # 360 s less 150 to start and 15,360 MiB at 100 MiB/s: 56.4 s; 352 / 56.4 = 6.24 questions/s;
    # a replica gives 15 / 7.5 = 2.
    assert row[1:3] == ["352", "4"]
    assert row[-1] == "L40S"
    assert "assumed: alpha: 20 tokens/s for each of 15 questions at a time" in lines
    assert any(line.startswith("assumed: 150 seconds to load a model, and") for line in lines)
    assert "raise scaling.max_replicas from 2" in said
    assert "beta: runs on a processor, for which the assumed pace is too high" in said
    assert "EUR" in said
    assert not (spec_file.parent / "results").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--hours", "1", "--replicas", "2"], "give either --hours or --replicas"),
        (["--replicas", "none"], "--replicas none: must be N or NAME=N, N from 1 to 10000"),
        (["--replicas", "99999"], "--replicas 99999: must be N or NAME=N, N from 1 to 10000"),
        (["--questions-per-s", "inf"], "'--questions-per-s'"),
        (["--load-s", "inf"], "'--load-s'"),
        (["--hours", "nan"], "'--hours'"),
        (["--replicas", "alpha=0"], "--replicas alpha=0: must be N or NAME=N"),
        (["--replicas", "alpa=1"], "the sweep has no model 'alpa'; did you mean 'alpha'?"),
        (["--gpu", "H10"], "did you mean 'H100'?"),
        (["--hours", "0.01"], "--hours: alpha takes 304 s to load"),
        (["--results", "nowhere"], "--results nowhere: no model has 20 answers"),
    ],
)
def test_what_does_not_go_together_is_refused(
    spec_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(spec_file.parent)
    assert run(["plan-capacity", str(spec_file), *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_replicas_of_all_and_of_one_go_together(
    spec_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--replicas", "beta=1", "--replicas", "5")
    models = document(capsys, "plan-capacity", str(spec_file), *options)["models"]
    assert [model["replicas"] for model in models] == [5, 1]  # type: ignore[attr-defined]
