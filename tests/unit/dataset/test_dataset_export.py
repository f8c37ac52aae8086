"""Exports that would replace what they read, and examples of several splits."""

import json
import shutil
from pathlib import Path

import pytest

from services.benchmark.records import Split
from services.core.errors import UserInputError
from services.dataset.export import ExportFormat, export

MINI = Path(__file__).resolve().parents[3] / "deploy" / "expart_mini"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MINI, tmp_path / "mini"))


@pytest.mark.parametrize(
    "name",
    [
        "train.json", "test_unseen.jsonl", "dataset.json", "images.jsonl", "mapping.yaml",
        "dead_links.jsonl", "images/../train.json", "images/new.json", "link.json",
    ],
)  # fmt: skip
def test_an_export_replaces_nothing_of_the_dataset(folder: Path, name: str) -> None:
    (folder / "link.json").symlink_to(folder / "train.json")
    before = (folder / "train.json").read_bytes()
    with pytest.raises(UserInputError, match=r"name another file"):
        export(folder, folder / name, ExportFormat.LLAVA)
    assert (folder / "train.json").read_bytes() == before


def test_an_export_replaces_no_picture(folder: Path) -> None:
    first = json.loads((folder / "train.json").read_text())[0]["image"]
    plain = folder / "plain.png"
    shutil.copyfile(folder / first, plain)
    records = json.loads((folder / "train.json").read_text())[:1]
    records[0]["image"] = "plain.png"
    (folder / "train.json").write_text(json.dumps(records))
    with pytest.raises(UserInputError, match="a picture of the dataset"):
        export(folder, plain, ExportFormat.MESSAGES)
    assert plain.read_bytes() == (folder / first).read_bytes()


def test_an_export_may_lie_beside_the_dataset(folder: Path) -> None:
    assert export(folder, folder / "llava.json", ExportFormat.LLAVA).written == 120


def test_ids_are_distinct_over_several_splits(folder: Path) -> None:
    shutil.copyfile(folder / "train.json", folder / "dev.json")
    out = folder / "both.json"
    done = export(folder, out, ExportFormat.LLAVA, splits=(Split.TRAIN, Split.DEV))
    assert done.written == 240
    assert len({example["id"] for example in json.loads(out.read_text())}) == 240
