"""Asks an assembled demo model through transformers, as training and measurement need it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor


class DemoModel:
    """A loaded demo model that answers greedily, in float32."""

    def __init__(self, folder: Path, *, max_new_tokens: int) -> None:
        """Load model and processor from a Hugging Face folder."""
        self._processor = AutoProcessor.from_pretrained(folder)
        self._model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
        self._model.eval()
        self._max_new_tokens = max_new_tokens

    def answer(
        self,
        pictures: Sequence[Image.Image],
        instructions: Sequence[str],
        *,
        max_new_tokens: int | None = None,
    ) -> list[str]:
        """Answer each instruction about its picture, in one batch."""
        inputs = self._processor(
            text=[self._prompt(instruction) for instruction in instructions],
            images=[[picture] for picture in pictures],
            padding=True,
            return_tensors="pt",
        )
        limit = max_new_tokens or self._max_new_tokens
        with torch.inference_mode():
            tokens = self._model.generate(**inputs, max_new_tokens=limit, do_sample=False)
        new_tokens = tokens[:, inputs["input_ids"].shape[1] :]
        answers: list[str] = self._processor.batch_decode(new_tokens, skip_special_tokens=True)
        return answers

    def _prompt(self, instruction: str) -> str:
        content = [{"type": "image"}, {"type": "text", "text": instruction}]
        prompt: str = self._processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        return prompt
