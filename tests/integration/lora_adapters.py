"""Writes LoRA adapters of random weights for a model's language part, and merges them by hand."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

LAYERS = ("q_proj", "v_proj", "down_proj")
# Large enough for another answer from the first words on.
SIZE = 0.4


def write_adapter(folder: Path, model: Path, *, seed: int, rank: int, alpha: int) -> Path:
    """Writes an adapter in PEFT's format, for every layer of the kinds above."""
    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, (outputs, inputs) in _layers(model):
        path = f"base_model.model.{name}"
        weights[f"{path}.lora_A.weight"] = torch.randn(rank, inputs, generator=generator) * SIZE
        weights[f"{path}.lora_B.weight"] = torch.randn(outputs, rank, generator=generator) * SIZE
    save_file(weights, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "target_modules": LAYERS}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def merge_adapter(folder: Path, model: Path, adapter: Path) -> Path:
    """Writes a copy of a model with an adapter added to its weights: W + (alpha / r) B A."""
    shutil.copytree(model, folder)
    (folder / "REVISION").unlink(missing_ok=True)
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    scale = config["lora_alpha"] / config["r"]
    weights = load_file(model / "model.safetensors")
    changes = load_file(adapter / "adapter_model.safetensors")
    for name, _ in _layers(model):
        path = f"base_model.model.{name}"
        down, up = changes[f"{path}.lora_A.weight"], changes[f"{path}.lora_B.weight"]
        # The demo models keep half precision on disk, which would round the sum.
        weights[f"{name}.weight"] = weights[f"{name}.weight"].float() + scale * up @ down
    (folder / "model.safetensors").unlink()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def _layers(model: Path) -> Iterator[tuple[str, list[int]]]:
    with safe_open(model / "model.safetensors", "pt") as weights:
        for key in sorted(weights.keys()):
            name = key.removesuffix(".weight")
            if "vision" not in name and name.rpartition(".")[2] in LAYERS:
                yield name, weights.get_slice(key).get_shape()
