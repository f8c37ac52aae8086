"""Finds a model's weights on this machine and reads what they say of themselves."""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from services.core.errors import UserInputError
from services.generation.catalog import ModelSpec, SourceSpec

_CONFIG_FILE = "config.json"
_INDEX_FILE = "model.safetensors.index.json"
# A safetensors file begins with the length of its header, eight bytes, then the header, as JSON.
# Source: the format's documentation.
_HEADER_LENGTH = struct.Struct("<Q")
_MAX_HEADER_BYTES = 100_000_000
# What reading JSON of another shape raises.
_WRONG_SHAPE = (AttributeError, IndexError, KeyError, TypeError)


@dataclass(frozen=True, slots=True)
class WeightsAtHand:
    """Weights on this machine.

    Attributes:
        folder: Where they lie.
        architectures: What config.json calls the model.
        parameter_count: Number of parameters; None for weights that are no safetensors.
        size_bytes: Size of the files that hold them.
    """

    folder: Path
    architectures: tuple[str, ...]
    parameter_count: int | None
    size_bytes: int


def find_weights(spec: ModelSpec) -> WeightsAtHand | None:
    """Finds the weights of an entry: its folder, or what the hub's cache holds of its revision.

    Returns:
        None if they are not on this machine, or not all of them.

    Raises:
        UserInputError: What is there cannot be read; the message names the file.
    """
    folder = local_folder(spec.source)
    if folder is None:
        return None
    files = _weight_files(folder)
    if not files or not all(file.is_file() for file in files):
        return None
    config = _read_json(folder / _CONFIG_FILE)
    named = config.get("architectures")
    tensors = [file for file in files if file.suffix == ".safetensors"]
    return WeightsAtHand(
        folder=folder,
        architectures=tuple(map(str, named)) if isinstance(named, list) else (),
        parameter_count=sum(map(_parameters_in, tensors)) if tensors == files else None,
        size_bytes=sum(file.stat().st_size for file in files),
    )


def local_folder(source: SourceSpec) -> Path | None:
    """Says where on this machine the files of a source lie, if there are any."""
    if source.folder is not None:
        folder = Path(source.folder)
        return folder if (folder / _CONFIG_FILE).is_file() else None
    if source.hub is None:
        return None
    found = try_to_load_from_cache(source.hub, _CONFIG_FILE, revision=source.revision)
    return Path(found).parent if isinstance(found, str) else None


def _weight_files(folder: Path) -> list[Path]:
    """Names the files that hold the weights; some may be missing."""
    if (folder / _INDEX_FILE).is_file():
        placed = _read_json(folder / _INDEX_FILE).get("weight_map")
        names = set(placed.values()) if isinstance(placed, dict) else set()
        return sorted(folder / str(name) for name in names)
    return sorted(folder.glob("*.safetensors")) or sorted(folder.glob("*.bin"))


def _parameters_in(file: Path) -> int:
    try:
        with file.open("rb") as stream:
            (length,) = _HEADER_LENGTH.unpack(stream.read(_HEADER_LENGTH.size))
            header = json.loads(stream.read(min(length, _MAX_HEADER_BYTES)))
        tensors = [tensor for name, tensor in header.items() if name != "__metadata__"]
        ends = [tensor["data_offsets"][1] for tensor in tensors]
        count: int = sum(math.prod(tensor["shape"]) for tensor in tensors)
        size = _HEADER_LENGTH.size + length + max(ends, default=0)
    except (OSError, struct.error, ValueError, *_WRONG_SHAPE) as error:
        raise UserInputError(f"{file}: is no safetensors file: {error!r}") from error
    if file.stat().st_size < size:
        raise UserInputError(f"{file}: is cut off: {file.stat().st_size} bytes of {size}")
    return count


def _read_json(file: Path) -> Mapping[str, object]:
    try:
        content: object = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserInputError(f"{file}: cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise UserInputError(f"{file}: is no JSON object")
    return content
