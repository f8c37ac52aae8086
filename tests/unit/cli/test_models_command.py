"""``expart models``: what it prints and how it ends, without starting a model."""

import json
from pathlib import Path

import pytest

from services.cli.app import run
from services.cli.exit_codes import EXIT_WRONG_INPUT

GOOD = "name: good\nengine: scripted\nmax_model_len: 128\nrequires: [patience]\n"
FAR = (
    "name: far\nengine: openai\nmax_model_len: 128\n"
    "openai: {base_url: 'http://127.0.0.1:9/v1', model: far-1}\n"
)
HEAVY = (
    "name: heavy\nsource: {hub: a/b}\nmax_model_len: 128\nnum_gpus: 1\nmemory_gib: 24\n"
    "architecture: LlavaForConditionalGeneration\nadapters: {style: {hub: a/style}}\n"
)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    for name, text in (("good", GOOD), ("far", FAR), ("heavy", HEAVY)):
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def test_list_shows_every_model_in_a_row(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "--folder", str(catalog)]) == 0
    _, _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split() for row in rows] == [
        ["far", "openai", "far-1", "0", "-", "-"],
        ["good", "scripted", "-", "0", "-", "-"],
        ["heavy", "vllm", "a/b", "1", "24", "style"],
    ]


def test_list_is_json_for_programs(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "--json", "--folder", str(catalog)]) == 0
    far, good, heavy = json.loads(capsys.readouterr().out)
    assert far["source"] == "far-1 at http://127.0.0.1:9/v1"
    assert good["requires"] == ["patience"]
    assert (heavy["revision"], heavy["adapters"]) == ("main", ["style"])


def test_check_prints_a_line_an_entry_and_what_it_needs(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["models", "check", "--folder", str(catalog)]) == 0
    far, good, heavy, summary = capsys.readouterr().out.splitlines()
    assert far.split(maxsplit=2) == ["ok", "far", "at http://127.0.0.1:9/v1"]
    assert good.split(maxsplit=2) == ["ok", "good", "needs no weights; needs patience"]
    advice = "source.revision: 'main' may move, and a sweep then asks anew; better pin a commit"
    assert heavy.split(maxsplit=2) == ["ok", "heavy", f"not downloaded; {advice}"]
    assert summary.startswith("3 ok; checked against ")


def test_a_warning_does_not_hide_what_an_entry_needs(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = HEAVY.replace("memory_gib: 24\n", "") + "requires: [a licence]\n"
    (catalog / "heavy.yaml").write_text(text, encoding="utf-8")
    assert run(["models", "check", "heavy", "--folder", str(catalog)]) == 0
    line, _ = capsys.readouterr().out.splitlines()
    assert line.startswith("warning heavy ")
    assert "memory_gib: is not given" in line
    assert line.endswith("; needs a licence")


def test_check_ends_with_a_code_of_its_own_where_an_entry_is_wrong(
    catalog: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (catalog / "heavy.yaml").write_text(HEAVY + "dtpye: float16\n", encoding="utf-8")
    assert run(["models", "check", "--folder", str(catalog)]) == EXIT_WRONG_INPUT
    out = capsys.readouterr().out
    assert "wrong   heavy" in out
    assert "unknown key 'dtpye'; did you mean 'dtype'?" in out
    # Of others that somebody names, only they count.
    assert run(["models", "check", "good", "--folder", str(catalog)]) == 0
    assert capsys.readouterr().out.startswith("ok      good")


def test_check_is_json_for_programs(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (catalog / "heavy.yaml").write_text("name: [", encoding="utf-8")
    assert run(["models", "check", "--json", "--folder", str(catalog)]) == EXIT_WRONG_INPUT
    captured = capsys.readouterr()
    found = {entry["name"]: entry for entry in json.loads(captured.out)["entries"]}
    assert [found[name]["verdict"] for name in ("far", "good", "heavy")] == ["ok", "ok", "wrong"]
    assert found["heavy"]["findings"][0]["text"].startswith("cannot be read: ")
    assert found["good"]["answer"] is None
    assert captured.err == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["check", "godo"], "no model named 'godo' in the catalog; it holds far, good, heavy"),
        (["check", "--ask", "heavy"], "heavy: its weights are not on this machine"),
        (["check", "--ask", "good", "--image", "none.png"], "--image none.png: No such file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    catalog: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert run(["models", *arguments, "--folder", str(catalog)]) == EXIT_WRONG_INPUT
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("expart: error: ")
    assert expected in line


def test_an_endpoint_is_not_called_unless_it_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "far.yaml").write_text(FAR, encoding="utf-8")
    assert run(["models", "check", "--ask", "--folder", str(tmp_path)]) == EXIT_WRONG_INPUT
    assert "far: name it to have its endpoint called" in capsys.readouterr().err
