"""The trained part of demo-smol: from pixels to the vectors the language model reads."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPVisionModel, LlavaConfig
from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

_CONNECTOR_STD: Final = 0.02


class PictureReader(nn.Module):
    """Vision tower and connector, computed exactly as LLaVA computes them."""

    def __init__(self, config: LlavaConfig, *, seed: int) -> None:
        """Draw fresh weights from the seed."""
        super().__init__()
        torch.manual_seed(seed)
        self.tower: nn.Module = CLIPVisionModel(config.vision_config)
        self.connector: nn.Module = LlavaMultiModalProjector(config)
        for layer in self.connector.modules():
            if isinstance(layer, nn.Linear):
                # The targets are token embeddings (standard deviation about 0.14), so small
                # first outputs save the steps that would only shrink them.
                nn.init.normal_(layer.weight, std=_CONNECTOR_STD)
                nn.init.zeros_(layer.bias)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Turn pixels (n, 3, edge, edge) in [-1, 1] into vectors (n, image tokens, hidden)."""
        states: torch.Tensor = self.tower(pixel_values=pixels).last_hidden_state
        vectors: torch.Tensor = self.connector(states[:, 1:])
        return vectors

    def save(self, path: Path) -> None:
        """Write the weights in float16 under the names of hub LLaVA checkpoints."""
        tensors = {
            f"vision_tower.vision_model.{name}": values
            for name, values in self.tower.state_dict().items()
            if not name.endswith("position_ids")
        }
        for name, values in self.connector.state_dict().items():
            tensors[f"multi_modal_projector.{name}"] = values
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: v.to(torch.float16).contiguous() for name, v in tensors.items()}, path)
