"""A sweep that cannot begin costs one line, and leaves nothing behind."""

import json
from pathlib import Path

import pytest

from tests.integration.counted_generation import counted_generation
from tests.integration.expart_host import PROJECT, ExpartShell

MODELS = ("demo-smol", "demo-tiny")


def write_spec(folder: Path, **changes: object) -> Path:
    spec: dict[str, object] = {
        "dataset": {"folder": str(PROJECT / "deploy" / "expart_mini")},
        "models": list(MODELS),
        "sampling": {"max_tokens": 24, "temperature": 0},
        "output": "out",
    }
    path = folder / "sweep.yaml"
    path.write_text(json.dumps({**spec, **changes}), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modles": ["demo-tiny"]}, "modles"),
        ({"sampling": {"temperature": 3}}, "temperature"),
        ({"dataset": {"folder": "nowhere"}}, "nowhere"),
        ({"models": ["no-such-model"]}, "no-such-model"),
        ({"dataset": {"folder": "short"}}, "test_unseen.json"),
        ({"dataset": {"folder": "strange"}}, "mapping"),
    ],
    ids=["misspelt key", "range", "no folder", "unknown model", "missing file", "misfit"],
)
async def test_a_wrong_spec_costs_one_line_and_leaves_nothing_behind(
    shell: ExpartShell, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    (tmp_path / "short").mkdir()
    (tmp_path / "short" / "test_seen.json").write_text("[]", encoding="utf-8")
    (tmp_path / "strange").mkdir()
    for name in ("test_seen.json", "test_unseen.json"):
        record = '[{"frage": "Was?", "antwort": "Das."}]'
        (tmp_path / "strange" / name).write_text(record, encoding="utf-8")
    spec = write_spec(tmp_path, **changes)
    async with counted_generation(MODELS) as generation:
        services = ("--generation", generation.address, "--scoring", generation.address)
        ended = await shell.expart("sweep", "run", str(spec), *services)
        assert not generation.models.begun
    assert ended.code == 2, ended
    (line,) = ended.said.splitlines()
    assert line.startswith("expart: error: ")
    assert message in line
    assert not (tmp_path / "out").exists()


async def test_services_that_do_not_answer_are_named(shell: ExpartShell, tmp_path: Path) -> None:
    nobody = ("--generation", "127.0.0.1:9", "--scoring", "127.0.0.1:9")
    ended = await shell.expart("sweep", "run", str(write_spec(tmp_path)), *nobody)
    assert ended.code == 1, ended
    (line,) = ended.said.splitlines()
    assert "127.0.0.1:9" in line
    assert not (tmp_path / "out").exists()
