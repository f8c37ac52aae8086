"""Names the revision of a model's weights."""

from pathlib import Path

from services.core.digests import digest_of_files
from services.core.errors import ModelFailedError

REVISION_FILE = "REVISION"
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt")


def folder_revision(folder: Path) -> str:
    """Names a folder's weights: what its file REVISION says, or else the digest of its files.

    Raises:
        ModelFailedError: The folder does not exist or holds no model.
    """
    if not (folder / "config.json").is_file():
        raise ModelFailedError(f"{folder} holds no model: config.json is missing")
    stated = folder / REVISION_FILE
    if stated.is_file():
        return stated.read_text(encoding="utf-8").strip()
    files = [path for path in folder.iterdir() if path.suffix in _WEIGHT_SUFFIXES]
    return digest_of_files(files, folder)
