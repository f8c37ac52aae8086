"""Names the revision of a model's weights."""

import re
from pathlib import Path

from services.core.digests import PREFIX, digest_of_files
from services.core.errors import ModelFailedError
from services.generation.catalog_parts import SourceSpec

REVISION_FILE = "REVISION"
ADAPTER_CONFIG_FILE = "adapter_config.json"
ADAPTER_WEIGHTS_FILE = "adapter_model.safetensors"
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt")
_STATED = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


def folder_revision(folder: Path) -> str:
    """Names a folder's weights: the SHA-256 that its file REVISION states, or that of its files.

    Raises:
        ModelFailedError: The folder does not exist or holds no model.
    """
    if not (folder / "config.json").is_file():
        raise ModelFailedError(f"{folder} holds no model: config.json is missing")
    stated = folder / REVISION_FILE
    if stated.is_file():
        found = _STATED.fullmatch(stated.read_text(encoding="utf-8").strip())
        if found is not None:
            return PREFIX + found.group(1)
    files = [path for path in folder.iterdir() if path.suffix in _WEIGHT_SUFFIXES]
    return digest_of_files(files, folder)


def hub_commit(hub: str, revision: str) -> str:
    """Finds the commit of weights that were downloaded: the cache names its folders after them."""
    # Late: it takes a quarter of a second to import, and a folder's revision does without it.
    from huggingface_hub import snapshot_download  # noqa: PLC0415

    return Path(snapshot_download(hub, revision=revision, local_files_only=True)).name


def adapter_revision(place: SourceSpec) -> str:
    """Names a LoRA adapter: the hub's commit that was downloaded, or the digest of its two files.

    Raises:
        ModelFailedError: Its folder does not hold them.
    """
    if place.hub is not None:
        return hub_commit(place.hub, place.revision)
    folder = Path(place.folder or "")
    files = [folder / ADAPTER_CONFIG_FILE, folder / ADAPTER_WEIGHTS_FILE]
    try:
        return digest_of_files(files, folder)
    except OSError as error:
        raise ModelFailedError(f"{folder} holds no adapter: {error.strerror}") from error
