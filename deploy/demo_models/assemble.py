"""Assemble a demo model's Hugging Face folder from what is installed and committed.

Run `python -m deploy.demo_models.assemble demo-smol DESTINATION`. A folder that is up to date is
left alone; any other is built beside the destination and then moved into place, so that no one
ever loads half a model. `REVISION` in the folder names its content: one SHA-256 over the weights
and the code that it was made from.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from safetensors import SafetensorError

REVISION_FILE: Final = "REVISION"
_PACKAGE: Final = Path(__file__).parent

# What a recipe may meet: missing weights or packages, a full disk, damaged files.
_RECIPE_ERRORS: Final = (OSError, RuntimeError, ImportError, ValueError, SafetensorError)


class AssemblyError(RuntimeError):
    """A demo model cannot be assembled; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one demo model is made.

    `inputs` lists the files that determine the result; `write` makes the folder's files in an
    existing empty folder.
    """

    inputs: Callable[[], Sequence[Path]]
    write: Callable[[Path], object]


def assemble(name: str, destination: Path) -> Path:
    """Make the named demo model's folder at `destination`, unless it is there; return it.

    Raises:
        AssemblyError: the name is unknown, an input is missing or cannot be used, the destination
            holds something that this function did not put there, or it cannot be written.
    """
    recipe = RECIPES.get(name)
    if recipe is None:
        raise AssemblyError(f"no demo model is called {name!r}; there are {', '.join(RECIPES)}")
    destination = destination.absolute()
    revision = _revision(name, recipe)
    if read_revision(destination) == revision:
        return destination
    _check_replaceable(destination)
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=destination.parent) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            recipe.write(made)
            (made / REVISION_FILE).write_text(revision + "\n", encoding="ascii")
            _put_in_place(made, destination, Path(scratch) / "replaced")
    except _RECIPE_ERRORS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise AssemblyError(f"cannot assemble {name} at {destination}: {reason}") from error
    return destination


def _put_in_place(made: Path, destination: Path, replaced: Path) -> None:
    try:
        # Another process may be replacing the same folder: what it takes away first is gone here.
        with contextlib.suppress(FileNotFoundError):
            destination.rename(replaced)
        made.rename(destination)
    except OSError:
        # And what it has put there in the meantime will do.
        if read_revision(destination) != read_revision(made):
            raise


def read_revision(folder: Path) -> str | None:
    """Return an assembled folder's revision, ``sha256:`` and 64 hexadecimal digits, or None."""
    file = folder / REVISION_FILE
    return file.read_text(encoding="ascii").strip() if file.is_file() else None


def _revision(name: str, recipe: Recipe) -> str:
    digest = hashlib.sha256(name.encode())
    for path in recipe.inputs():
        if not path.is_file():
            raise AssemblyError(f"{name}: {path} is missing")
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"


def _check_replaceable(destination: Path) -> None:
    if not destination.exists() or (destination / REVISION_FILE).is_file():
        return
    if not destination.is_dir() or any(destination.iterdir()):
        raise AssemblyError(
            f"{destination} exists and is no assembled demo model; name another folder or remove it"
        )


def _smol_inputs() -> Sequence[Path]:
    # Imported here and below so that finding a folder up to date needs neither torch nor
    # transformers, which take seconds to import.
    from deploy.demo_models.smol_language import (  # noqa: PLC0415 - imports torch
        LanguageModelMissingError,
        find_gguf,
    )

    try:
        language_model = find_gguf()
    except LanguageModelMissingError as error:
        raise AssemblyError(str(error)) from error
    code = [_PACKAGE / f"smol_{part}.py" for part in ("architecture", "assemble", "language")]
    weights = _PACKAGE / "weights" / "demo-smol" / "model.safetensors"
    # The card is copied too but left out here: a new wording of it makes no new model.
    return [language_model, weights, *code]


def _write_smol(folder: Path) -> None:
    from deploy.demo_models.smol_assemble import assemble_demo_smol  # noqa: PLC0415 - imports torch

    assemble_demo_smol(folder)


def _tiny_inputs() -> Sequence[Path]:
    weights = _PACKAGE / "weights" / "demo-tiny"
    if not weights.is_dir():
        raise AssemblyError(f"demo-tiny: {weights} is missing")
    files = sorted(file for file in weights.iterdir() if file.is_file())
    return [*files, _PACKAGE / "tiny_assemble.py"]


def _write_tiny(folder: Path) -> None:
    from deploy.demo_models.tiny_assemble import assemble_demo_tiny  # noqa: PLC0415 - imports torch

    assemble_demo_tiny(folder)


RECIPES: Final = MappingProxyType(
    {
        "demo-smol": Recipe(inputs=_smol_inputs, write=_write_smol),
        "demo-tiny": Recipe(inputs=_tiny_inputs, write=_write_tiny),
    }
)
"""The demo models, by name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Assemble the model named on the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Assemble a demo model's folder.")
    parser.add_argument("name", choices=list(RECIPES))
    parser.add_argument("destination", type=Path)
    chosen = parser.parse_args(arguments)
    try:
        folder = assemble(chosen.name, chosen.destination)
    except AssemblyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{chosen.name}: {folder} (revision {read_revision(folder)})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
