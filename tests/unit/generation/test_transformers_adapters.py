"""LoRA adapters over a model's linear layers."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from services.core.errors import ModelFailedError
from services.generation.adapters import AdapterFiles

if TYPE_CHECKING:
    import torch

pytestmark = pytest.mark.slow

CONFIG = {"peft_type": "LORA", "r": 1, "lora_alpha": 3}


def make_model() -> "torch.nn.Module":
    """Two layers that double their two inputs, in a language and in a vision part."""
    import torch

    model = torch.nn.Module()
    for part in ("language_model", "vision_tower"):
        layer = torch.nn.Linear(2, 2, bias=False)
        layer.weight.data = 2 * torch.eye(2)
        setattr(model, part, torch.nn.Module())
        getattr(model, part).add_module("q_proj", layer)
    return model


def write(
    folder: Path,
    *,
    layer: str = "language_model.q_proj",
    config: Mapping[str, object] = CONFIG,
    down: object = ((1.0, 0.0),),
    up: object = ((0.0,), (1.0,)),
) -> AdapterFiles:
    """An adapter that adds alpha / r times the first input to the second output."""
    import torch
    from safetensors.torch import save_file

    folder.mkdir()
    weights = {}
    if down is not None:
        weights[f"base_model.model.{layer}.lora_A.weight"] = torch.tensor(down)
    if up is not None:
        weights[f"base_model.model.{layer}.lora_B.weight"] = torch.tensor(up)
    save_file(weights, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    return AdapterFiles(folder.name, folder, 1)


def outputs(model: "torch.nn.Module", part: str = "language_model") -> list[float]:
    import torch

    made: list[float] = getattr(model, part).q_proj(torch.tensor([5.0, 7.0])).tolist()
    return made


def test_an_adapter_adds_to_its_layer_while_it_is_applied(tmp_path: Path) -> None:
    from services.generation.engines.transformers_adapters import LoraLayers

    model = make_model()
    one = write(tmp_path / "one")
    # Rank-stabilised: 3 / sqrt(1) is 3 too; with alpha 6, 6.
    two = write(tmp_path / "two", config={**CONFIG, "lora_alpha": 6, "use_rslora": True})
    layers = LoraLayers(model, [one, two])
    assert outputs(model) == [10.0, 14.0]
    with layers.applied("one"):
        # 14 + 3 * 5.
        assert outputs(model) == [10.0, 29.0]
        assert outputs(model, "vision_tower") == [10.0, 14.0]
    with layers.applied("two"):
        assert outputs(model) == [10.0, 44.0]
    with layers.applied(""):
        assert outputs(model) == [10.0, 14.0]
    assert outputs(model) == [10.0, 14.0]


def test_a_rank_stabilised_adapter_divides_by_the_root_of_its_rank(tmp_path: Path) -> None:
    from services.generation.engines.transformers_adapters import LoraLayers

    # Rank 4, all four pairs alike: 4 * 5 * alpha / r, and alpha / sqrt(r) instead.
    shape = {"down": ((1.0, 0.0),) * 4, "up": ((0.0,) * 4, (1.0,) * 4)}
    plain = write(tmp_path / "plain", config={**CONFIG, "lora_alpha": 2}, **shape)
    stable = write(
        tmp_path / "stable", config={**CONFIG, "lora_alpha": 2, "use_rslora": True}, **shape
    )
    model = make_model()
    layers = LoraLayers(model, [plain, stable])
    with layers.applied("plain"):
        assert outputs(model) == [10.0, 14.0 + 20 * 2 / 4]
    with layers.applied("stable"):
        assert outputs(model) == [10.0, 14.0 + 20 * 2 / 2]


@pytest.mark.parametrize("named", ["model.language_model.q_proj", "old.language_model.q_proj"])
def test_a_layer_is_found_under_the_name_of_another_release(named: str, tmp_path: Path) -> None:
    from services.generation.engines.transformers_adapters import LoraLayers

    model = make_model()
    with LoraLayers(model, [write(tmp_path / "one", layer=named)]).applied("one"):
        assert outputs(model) == [10.0, 29.0]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"layer": "language_model.k_proj"}, "the model has no layer language_model.k_proj"),
        ({"down": ((1.0,),)}, "language_model.q_proj has shapes that do not fit"),
        ({"up": ((1.0,),)}, "language_model.q_proj has shapes that do not fit"),
        ({"up": None}, "language_model.q_proj lacks one of lora_A and lora_B"),
        ({"down": None, "up": None}, "adapter_model.safetensors is empty"),
        (
            {"config": {**CONFIG, "use_dora": True}},
            "the transformers engine does not know use_dora",
        ),
        ({"config": {**CONFIG, "peft_type": "IA3"}}, "it is no LoRA but IA3"),
        ({"config": {**CONFIG, "bias": "all"}}, "the transformers engine does not know bias"),
        ({"config": {"r": 1}}, "lora_alpha in adapter_config.json must be a number"),
    ],
)
def test_an_adapter_that_cannot_be_applied_whole_fails_the_model(
    keys: dict[str, object], reason: str, tmp_path: Path
) -> None:
    from services.generation.engines.transformers_adapters import LoraLayers

    adapter = write(tmp_path / "one", **keys)  # type: ignore[arg-type]
    with pytest.raises(ModelFailedError) as caught:
        LoraLayers(make_model(), [adapter])
    assert caught.value.message.startswith(f"adapter one cannot be loaded: {reason}")


def test_torn_weights_fail_the_model(tmp_path: Path) -> None:
    from services.generation.engines.transformers_adapters import LoraLayers

    adapter = write(tmp_path / "one")
    (adapter.folder / "adapter_model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ModelFailedError, match="adapter one cannot be loaded: "):
        LoraLayers(make_model(), [adapter])
