"""Assemble demo-tiny's Hugging Face folder from the committed weights.

The committed weights are float16 to stay small; the assembled folder holds the same numbers in
float32, the precision the model is meant to run in on a CPU.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

import torch
from safetensors.torch import load_file, save

WEIGHTS_FOLDER: Final = Path(__file__).parent / "weights" / "demo-tiny"
_WEIGHTS_FILE: Final = "model.safetensors"
_CONFIG_FILE: Final = "config.json"


class DemoWeightsMissingError(RuntimeError):
    """The committed weights are not where they should be."""


def assemble_demo_tiny(destination: Path, *, source: Path = WEIGHTS_FOLDER) -> Path:
    """Write the folder to `destination`, which vLLM and transformers load; return it.

    Raises:
        DemoWeightsMissingError: `source` has no weights or no configuration.
    """
    for name in (_WEIGHTS_FILE, _CONFIG_FILE):
        if not (source / name).is_file():
            raise DemoWeightsMissingError(
                f"{source / name} is missing: run `python -m deploy.demo_models.tiny_train`"
            )
    destination.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.iterdir()):
        if file.name not in {_WEIGHTS_FILE, _CONFIG_FILE}:
            shutil.copyfile(file, destination / file.name)
    tensors = load_file(source / _WEIGHTS_FILE)
    widened = {name: tensor.to(torch.float32) for name, tensor in tensors.items()}
    # Written as bytes: safetensors' own save_file makes a file that only its owner can read.
    (destination / _WEIGHTS_FILE).write_bytes(save(widened, metadata={"format": "pt"}))
    config = json.loads((source / _CONFIG_FILE).read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    (destination / _CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return destination
