"""``expart sweep plan``: what it prints, for people and for programs, and what it refuses."""

import json
from pathlib import Path

import pytest
import yaml

from services.cli.app import run
from tests.unit.generation.hub_cache import use_cache, use_hub

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def spec_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    (catalog / "alpha.yaml").write_text("name: alpha\nengine: scripted\nmax_model_len: 4096\n")
    monkeypatch.setenv("EXPART_GENERATION_CATALOG_FOLDER", str(catalog))
    spec = {
        "dataset": {"folder": str(PROJECT / "deploy" / "expart_mini")},
        "models": ["alpha"],
        "controls": ["none", "no_image"],
        "output": "results",
    }
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(spec))
    return path


def test_it_prints_questions_pictures_and_an_estimate_with_its_assumptions(
    spec_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["sweep", "plan", str(spec_file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    # ExpArt-mini's test parts have 20 and 24 questions in each setting.
    assert lines[0].startswith("mine: 176 questions for 1 model; ")
    cells = [line.split() for line in lines if line.startswith("alpha")]
    assert ["alpha", "with_title", "seen", "none", "20", "0", "20"] in cells
    assert ["alpha", "without_title", "unseen", "no_image", "24", "0", "24"] in cells
    assert any(line.startswith("pictures: 26 found") for line in lines)
    assert any("assumed where nothing is given or measured" in line for line in lines)
    assert not (spec_file.parent / "results").exists()


def test_it_prints_one_document_for_programs(
    spec_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    totals = []
    for index in ("0", "1"):
        shard = ["--shard-index", index, "--shard-count", "2"]
        assert run(["sweep", "plan", str(spec_file), "--json", *shard]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document["shard"] == {"index": int(index), "count": 2}
        totals.append(document["questions"]["to_ask"])
    assert sum(totals) == 176


def test_a_branch_whose_commit_nobody_knows_hinders_no_count_and_is_told_of(
    spec_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    use_cache(monkeypatch, tmp_path)
    asked = use_hub(monkeypatch)
    entry = "name: alpha\nsource: {hub: x/y}\nmax_model_len: 4096\n"
    (tmp_path / "catalog" / "alpha.yaml").write_text(entry)
    assert run(["sweep", "plan", str(spec_file), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["questions"]["to_ask"] == 176
    assert said.err.startswith("model alpha: nobody knows which commit 'main' of x/y is")
    assert asked == ["main"]


def test_given_rates_make_the_estimate(spec_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rates = ["--questions-per-s", "2", "--output-tokens", "10", "--image-tokens", "0"]
    assert run(["sweep", "plan", str(spec_file), "--json", *rates]) == 0
    estimate = json.loads(capsys.readouterr().out)["estimate"]
    assert (estimate["output_tokens"], estimate["seconds"]) == (1760, 88)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--shard-count", "2"], "there are 2 shards, and which one to run is not given"),
        (["--shard-index", "2", "--shard-count", "2"], "must be from 0 to 1"),
        (["--generation", "nowhere"], "--generation: must be HOST:PORT"),
    ],
)
def test_what_does_not_go_together_is_refused(
    spec_file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], complaint: str
) -> None:
    assert run(["sweep", "plan", str(spec_file), *arguments]) == 2
    assert complaint in capsys.readouterr().err


def test_a_service_is_asked_without_a_catalog_on_this_machine(
    spec_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = spec_file.parent / "nowhere"
    monkeypatch.setenv("EXPART_GENERATION_CATALOG_FOLDER", str(nowhere))
    assert run(["sweep", "plan", str(spec_file), "--generation", "127.0.0.1:1"]) == 1
    complaint = capsys.readouterr().err
    assert "127.0.0.1:1" in complaint  # nobody answers there; the catalog was not missed
    assert str(nowhere) not in complaint
