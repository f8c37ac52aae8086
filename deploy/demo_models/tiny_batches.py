"""Training examples as tensors: the chat template's prompts, with a loss on the answer only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch
from transformers import Idefics3Processor

from deploy.demo_models.tiny_architecture import (
    ASSISTANT,
    END,
    IMAGE,
    IMAGE_FRAME,
    IMAGE_TOKEN_COUNT,
    MAX_POSITIONS,
    PAD,
    USER,
    WHOLE_IMAGE,
)
from deploy.demo_models.tiny_examples import NAMING, Example

OPENING_TOKENS: Final = 16
TITLE_WEIGHT: Final = 3.0
_IGNORED: Final = -100


@dataclass(frozen=True, slots=True)
class Batch:
    """Token ids and their targets, right-padded to the longest row: all (rows, positions).

    `weights` is 0 outside the answer, 3 on its naming sentence, 1 on the rest of it.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


def prompt_text(instruction: str) -> str:
    """Write the prompt as the processor expands it for one picture and this instruction."""
    picture = IMAGE_FRAME + WHOLE_IMAGE + IMAGE * IMAGE_TOKEN_COUNT + IMAGE_FRAME
    return f"{USER}{picture}{instruction}{END}{ASSISTANT}"


class BatchEncoder:
    """Turns examples into batches with the model's own tokenizer."""

    def __init__(self, processor: Idefics3Processor) -> None:
        """Take the tokenizer and the id that pads."""
        self._tokenizer = processor.tokenizer
        self._pad_id = int(self._tokenizer.convert_tokens_to_ids(PAD))

    def encode(self, examples: Sequence[Example]) -> Batch:
        """Tokenise, pad and weigh the examples."""
        rows = [self._row(example) for example in examples]
        width = max(len(ids) for ids, _ in rows)
        ids = torch.full((len(rows), width), self._pad_id)
        weights = torch.zeros((len(rows), width))
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for index, (row_ids, row_weights) in enumerate(rows):
            ids[index, : len(row_ids)] = torch.tensor(row_ids)
            weights[index, : len(row_ids)] = torch.tensor(row_weights)
            mask[index, : len(row_ids)] = 1
        labels = ids.masked_fill(weights == 0, _IGNORED)
        return Batch(ids, mask, labels, weights)

    def _row(self, example: Example) -> tuple[list[int], list[float]]:
        prompt = self._ids(prompt_text(example.instruction))
        title = self._ids(f"{NAMING}{example.title}.")
        answer = self._ids(example.target + END)
        weights = [TITLE_WEIGHT] * min(len(title), len(answer))
        weights += [1.0] * (len(answer) - len(weights))
        if example.opening_only:
            kept = max(OPENING_TOKENS, len(title) + 4)
            answer, weights = answer[:kept], weights[:kept]
        ids = (prompt + answer)[:MAX_POSITIONS]
        return ids, ([0.0] * len(prompt) + weights)[:MAX_POSITIONS]

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def answer_loss(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Weighted cross-entropy of the answer's tokens, averaged over their weights."""
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1),
        batch.labels[:, 1:].flatten(),
        ignore_index=_IGNORED,
        reduction="none",
    )
    weights = batch.weights[:, 1:].flatten()
    return (losses * weights).sum() / weights.sum()
