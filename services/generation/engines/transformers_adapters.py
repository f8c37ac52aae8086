"""Applies LoRA adapters to a model in transformers, one a batch, with the weights left as they are.

Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, arXiv:2106.09685, section 4.1:
a layer W gives Wx + (alpha / r) B A x.
"""

import json
import math
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from safetensors.torch import load_file

from services.generation.adapters import AdapterFiles, adapter_failure
from services.generation.weights import ADAPTER_CONFIG_FILE, ADAPTER_WEIGHTS_FILE

# As PEFT names them: base_model.model.<layer>.lora_A.weight
_WEIGHT = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
# Kinds of LoRA that compute something else, by PEFT's names.
_UNSUPPORTED = (
    "alora_invocation_tokens",
    "alpha_pattern",
    "fan_in_fan_out",
    "layer_replication",
    "lora_bias",
    "modules_to_save",
    "use_dora",
)


_Hook = Callable[[torch.nn.Module, tuple[torch.Tensor, ...], torch.Tensor], torch.Tensor]


@dataclass(frozen=True, slots=True)
class _LowRank:
    down: torch.Tensor
    up: torch.Tensor
    scale: float

    def of(self, value: torch.Tensor) -> torch.Tensor:
        return (value @ self.down.T) @ self.up.T * self.scale


class LoraLayers:
    """The adapters of one model; at most one is applied at a time.

    Args:
        model: The model; its linear layers are watched, never changed.
        adapters: What may be applied.

    Raises:
        ModelFailedError: An adapter does not fit the model, or is of a kind we do not know.
    """

    def __init__(self, model: torch.nn.Module, adapters: Sequence[AdapterFiles]) -> None:
        self._applied = ""
        self._names = {adapter.name for adapter in adapters}
        layers: dict[str, dict[str, _LowRank]] = {}
        linear = {
            name: module
            for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear)
        }
        for adapter in adapters:
            for path, low_rank in _load(adapter, linear).items():
                layers.setdefault(path, {})[adapter.name] = low_rank
        for path, by_adapter in layers.items():
            linear[path].register_forward_hook(self._hook(by_adapter))

    @contextmanager
    def applied(self, adapter: str) -> Generator[None]:
        """Applies an adapter meanwhile; with an empty name none."""
        if adapter and adapter not in self._names:
            raise KeyError(adapter)
        self._applied = adapter
        try:
            yield
        finally:
            self._applied = ""

    def _hook(self, by_adapter: Mapping[str, _LowRank]) -> _Hook:
        def add(
            _: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
        ) -> torch.Tensor:
            low_rank = by_adapter.get(self._applied)
            return output if low_rank is None else output + low_rank.of(inputs[0])

        return add


def _load(adapter: AdapterFiles, linear: Mapping[str, torch.nn.Linear]) -> dict[str, _LowRank]:
    """Reads an adapter's matrices, by the name of the layer that each belongs to."""
    config = json.loads((adapter.folder / ADAPTER_CONFIG_FILE).read_text(encoding="utf-8"))
    _refuse_other_kinds(adapter.name, config)
    try:
        weights = load_file(adapter.folder / ADAPTER_WEIGHTS_FILE)
    except Exception as error:  # safetensors has an error type of its own
        raise adapter_failure(adapter.name, error) from error
    halves: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in weights.items():
        found = _WEIGHT.fullmatch(name)
        if found is None:
            raise adapter_failure(adapter.name, f"its weight {name} is of no linear layer")
        halves.setdefault(found.group(1), {})[found.group(2)] = tensor
    loaded: dict[str, _LowRank] = {}
    for named, pair in halves.items():
        path = _find_layer(adapter.name, named, linear)
        loaded[path] = _low_rank(adapter.name, named, pair, linear[path], config)
    if not loaded:
        raise adapter_failure(adapter.name, f"{ADAPTER_WEIGHTS_FILE} is empty")
    return loaded


def _refuse_other_kinds(name: str, config: Mapping[str, object]) -> None:
    if config.get("peft_type", "LORA") != "LORA":
        raise adapter_failure(name, f"it is no LoRA but {config['peft_type']}")
    for key in _UNSUPPORTED:
        if config.get(key):
            raise adapter_failure(name, f"the transformers engine does not know {key}")
    if config.get("bias", "none") != "none":
        raise adapter_failure(name, "the transformers engine does not know bias")


def _find_layer(name: str, named: str, linear: Mapping[str, torch.nn.Linear]) -> str:
    """Finds the layer that an adapter names, whose first parts other releases call otherwise."""
    if named in linear:
        return named
    parts = named.split(".")
    is_vision = "vision" in named
    for start in range(1, len(parts)):
        ending = "." + ".".join(parts[start:])
        found = [path for path in linear if path.endswith(ending)]
        found = [path for path in found if ("vision" in path) == is_vision]
        if len(found) == 1:
            return found[0]
        if found:
            break
    raise adapter_failure(name, f"the model has no layer {named}, or several that it may mean")


def _low_rank(
    name: str,
    named: str,
    pair: Mapping[str, torch.Tensor],
    layer: torch.nn.Linear,
    config: Mapping[str, object],
) -> _LowRank:
    if set(pair) != {"A", "B"}:
        raise adapter_failure(name, f"{named} lacks one of lora_A and lora_B")
    down, up = pair["A"], pair["B"]
    rank = down.shape[0]
    wanted = [(rank, layer.in_features), (layer.out_features, rank)]
    if [tuple(down.shape), tuple(up.shape)] != wanted:
        raise adapter_failure(name, f"{named} has shapes that do not fit the model's layer")
    alpha = config.get("lora_alpha")
    if not isinstance(alpha, int | float):
        raise adapter_failure(name, f"lora_alpha in {ADAPTER_CONFIG_FILE} must be a number")
    # Kalajdzievski, arXiv:2312.03732: rank-stabilised LoRA divides by the root of the rank.
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    like = layer.weight
    return _LowRank(down.to(like.device, like.dtype), up.to(like.device, like.dtype), scale)
