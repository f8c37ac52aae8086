"""What the manifest of a run says of the spec, the dataset and the software."""

import json
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from services.sweep.plan.directory import FixedDirectory, ModelDescription
from services.sweep.plan.planned_manifest import new_manifest
from services.sweep.plan.prepare import plan_sweep
from services.sweep.results.manifest import Manifest
from services.sweep.spec.spec import load_spec

DIRECTORY = FixedDirectory(
    [ModelDescription("alpha", "r1", chat_template_digest="sha256:aa")], "the test"
)


def manifest(folder: Path, **changes: object) -> Manifest:
    """That of a run of this spec over the folder's dataset."""
    spec = {
        "dataset": {"folder": "."},
        "splits": ["test_seen"],
        "models": ["alpha"],
        "sampling": {"temperature": 0},
        "output": "results",
        **changes,
    }
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(spec))
    plan = plan_sweep(load_spec(path), DIRECTORY)
    return new_manifest(plan, datetime(2026, 1, 1, tzinfo=UTC), None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "swan.png").write_bytes(b"picture")
    write_record(tmp_path, "The Swan was painted in 1915.")
    return tmp_path


def write_record(folder: Path, reference: str) -> None:
    record = {
        "id": "swan",
        "title": "The Swan",
        "section": "History",
        "image": "swan.png",
        "instruction_with_title": "Explain The Swan.",
        "instruction_without_title": "Explain this work.",
        "reference": reference,
        "entities": ["1915"],
    }
    (folder / "test_seen.json").write_text(json.dumps([record]))


@pytest.mark.parametrize(
    "changes",
    [
        {"sampling": {"temperature": 0, "max_tokens": 9}},
        {"settings": ["with_title"]},
        {"seed": 7},
        {"prompts": {"kind": {"system_text": "Be kind."}}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_question_is_another_spec(folder: Path, changes: dict[str, object]) -> None:
    assert manifest(folder, **changes).spec_digest != manifest(folder).spec_digest


@pytest.mark.parametrize(
    "changes",
    [
        {"concurrency": 3},
        {"output": "elsewhere"},
        {"prices": {"models": {"alpha": {"per_gpu_hour": 1}}}},
        {"deadline_s": 5},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_the_same_questions_asked_otherwise_are_the_same_spec(
    folder: Path, changes: dict[str, object]
) -> None:
    assert manifest(folder, **changes).spec_digest == manifest(folder).spec_digest


def test_a_dataset_is_known_by_what_its_files_hold(folder: Path) -> None:
    before = manifest(folder)
    (folder / "test_seen.json").touch()
    assert manifest(folder).dataset_digest == before.dataset_digest
    write_record(folder, "The Swan was painted in 1916.")
    after = manifest(folder)
    assert after.dataset_digest != before.dataset_digest
    assert after.spec_digest == before.spec_digest
    assert after.dataset == str(folder)


def test_a_prepared_dataset_is_known_by_its_commit(folder: Path) -> None:
    assert manifest(folder).dataset_revision == ""
    source = {"repository": "somebody/expart", "revision": "0123abc"}
    (folder / "dataset.json").write_text(json.dumps({"source": source}))
    assert manifest(folder).dataset_revision == "somebody/expart@0123abc"


def test_the_software_that_may_change_a_result_is_noted(folder: Path) -> None:
    versions = manifest(folder).versions
    assert versions["python"] == platform.python_version()
    for package in ("deltalake", "grpcio", "protobuf", "pyarrow"):
        assert versions[package] == metadata.version(package)
    assert "expart-serving" in versions
