"""Paths of files in settings."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator


def _none_if_empty(value: object) -> object:
    # Compose files and charts cannot leave a variable out as easily as they leave it empty.
    return None if value == "" else value


def _fixed(path: Path | None) -> Path | None:
    # Made absolute while the folder is the user's; a process elsewhere may open it. Links are
    # kept, because Kubernetes replaces a mounted Secret by leading them elsewhere.
    return None if path is None else path.expanduser().absolute()


OptionalFile = Annotated[Path | None, BeforeValidator(_none_if_empty), AfterValidator(_fixed)]
