"""Finds a model's LoRA adapters on disk and reads what engines must know before they load them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import snapshot_download

from services.core.errors import ModelFailedError
from services.generation.catalog import ModelSpec, SourceSpec
from services.generation.messages import one_line
from services.generation.weights import ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE


@dataclass(frozen=True, slots=True)
class AdapterFiles:
    """One LoRA adapter on disk, in PEFT's format.

    Attributes:
        name: What requests call it.
        folder: Where its configuration and weights lie.
        rank: The largest rank of its matrices.
    """

    name: str
    folder: Path
    rank: int


def locate_adapters(spec: ModelSpec) -> tuple[AdapterFiles, ...]:
    """Finds every adapter of a catalog entry, by name; those of the hub are downloaded.

    Raises:
        ModelFailedError: One is missing, or is no LoRA adapter; the message names it.
    """
    return tuple(_locate(name, place) for name, place in sorted(spec.adapters.items()))


def adapter_failure(name: str, reason: object) -> ModelFailedError:
    """Makes the error that says why an adapter cannot be used."""
    return ModelFailedError(f"adapter {name} cannot be loaded: {one_line(reason)}", adapter=name)


def _locate(name: str, place: SourceSpec) -> AdapterFiles:
    try:
        folder = Path(
            snapshot_download(place.hub, revision=place.revision)
            if place.hub is not None
            else place.folder or ""
        )
    except Exception as error:  # the hub's client raises nearly anything
        raise adapter_failure(name, error) from error
    try:
        config: object = json.loads((folder / ADAPTER_CONFIG_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        found_in = place.hub or place.folder
        raise adapter_failure(name, f"{found_in} holds no {ADAPTER_CONFIG_FILE}") from error
    except (OSError, ValueError) as error:
        raise adapter_failure(name, error) from error
    if not isinstance(config, dict):
        raise adapter_failure(name, f"{ADAPTER_CONFIG_FILE} is no JSON object")
    if not (folder / ADAPTER_WEIGHTS_FILE).is_file():
        # Adapters as .bin files are pickles, which run code when they are read.
        raise adapter_failure(name, f"{folder} holds no {ADAPTER_WEIGHTS_FILE}")
    return AdapterFiles(name, folder, _largest_rank(name, config))


def _largest_rank(name: str, config: Mapping[str, object]) -> int:
    pattern = config.get("rank_pattern") or {}
    ranks = [config.get("r"), *(pattern.values() if isinstance(pattern, dict) else [pattern])]
    whole = [rank for rank in ranks if isinstance(rank, int) and rank > 0]
    if len(whole) != len(ranks):
        raise adapter_failure(
            name, f"the ranks in {ADAPTER_CONFIG_FILE} must be whole numbers above 0"
        )
    return max(whole)
