"""Train demo-tiny from scratch: `python -m deploy.demo_models.tiny_train`.

Two stages, both seeded. First the vision tower and the connector learn to tell the artworks'
variants apart, under a linear head that is thrown away. Then the whole model learns to answer.
The weights are rounded to float16 and written to weights/demo-tiny.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from transformers import Idefics3ForConditionalGeneration

from deploy.demo_models.tiny_architecture import (
    build_model,
    build_processor,
    save_folder,
    train_tokenizer,
)
from deploy.demo_models.tiny_batches import Batch, BatchEncoder, answer_loss
from deploy.demo_models.tiny_examples import (
    Example,
    ExampleMixer,
    Question,
    load_questions,
    target_text,
)
from deploy.demo_models.tiny_pictures import PicturePool

SEED: Final = 20240229
WEIGHTS_FOLDER: Final = Path(__file__).parent / "weights" / "demo-tiny"
TRAIN_SPLIT: Final = Path(__file__).parent.parent / "expart_mini" / "train.json"

_BETAS: Final = (0.9, 0.98)
_WARMUP_STEPS: Final = 50


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How long and how fast to train; batches are rows a step."""

    variants: int = 100
    vision_steps: int = 300
    vision_batch: int = 40
    vision_rate: float = 1.0e-3
    answer_steps: int = 1200
    recall_batch: int = 10
    recognise_batch: int = 10
    copy_batch: int = 12
    answer_rate: float = 1.5e-3
    class_weight: float = 0.2


def rate_at(step: int, steps: int, peak: float) -> float:
    """Return the learning rate of a step: linear warm-up, then a cosine down to a twentieth."""
    if step < _WARMUP_STEPS:
        return peak * (step + 1) / _WARMUP_STEPS
    progress = (step - _WARMUP_STEPS) / max(1, steps - _WARMUP_STEPS)
    return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


class TinyTrainer:
    """One training run: the model, its classification head and its seeded generators."""

    def __init__(self, questions: tuple[Question, ...], plan: TrainingPlan, *, seed: int) -> None:
        """Build tokenizer, model and pictures from the questions and the seed."""
        self._plan = plan
        self._rng = random.Random(seed)
        texts = [q.instruction for q in questions] + [
            target_text(q.title, q.reference) for q in questions
        ]
        self.processor = build_processor(train_tokenizer(texts))
        self.model = build_model(self.processor.tokenizer, seed=seed)
        slugs = sorted({q.image for q in questions})
        self._pool = PicturePool(slugs, TRAIN_SPLIT.parent, self.processor, plan.variants, seed)
        self._mixer = ExampleMixer(questions, self._rng)
        self._encoder = BatchEncoder(self.processor)
        self._head = torch.nn.Linear(self.model.config.text_config.hidden_size, len(slugs))

    def train_vision(self) -> None:
        """Teach the tower and the connector to tell the works apart."""
        modules = (self.model.model.vision_model, self.model.model.connector, self._head)
        parameters = [p for module in modules for p in module.parameters()]
        for step in self._steps(parameters, self._plan.vision_steps, self._plan.vision_rate):
            pixels, classes = self._pool.draw_labelled(self._plan.vision_batch, self._rng)
            logits = self._class_logits(self._image_tokens(pixels))
            loss = torch.nn.functional.cross_entropy(logits, classes)
            torch.autograd.backward(loss)
            if step % 25 == 0:
                right = (logits.argmax(-1) == classes).float().mean()
                _report("vision", step, self._plan.vision_steps, loss=loss, right=right)

    def train_answers(self) -> None:
        """Teach the whole model to answer: recall, recognise, and take a title from the text."""
        plan = self._plan
        parameters = [*self.model.parameters(), *self._head.parameters()]
        for step in self._steps(parameters, plan.answer_steps, plan.answer_rate):
            whole = [self._mixer.recall() for _ in range(plan.recall_batch)]
            openings = [self._mixer.recognise() for _ in range(plan.recognise_batch)]
            openings += [self._mixer.copy_title() for _ in range(plan.copy_batch)]
            recall = self._loss(whole)
            opening = self._loss(openings)
            torch.autograd.backward(recall + opening)
            if step % 25 == 0:
                _report("answers", step, plan.answer_steps, recall=recall, opening=opening)

    def _loss(self, examples: list[Example]) -> torch.Tensor:
        batch = self._encoder.encode(examples)
        pixels, classes = self._pool.draw([e.image for e in examples], self._rng)
        tokens = self._image_tokens(pixels)
        loss = answer_loss(self._logits(batch, tokens), batch)
        known = classes >= 0
        guess = torch.nn.functional.cross_entropy(self._class_logits(tokens[known]), classes[known])
        return loss + self._plan.class_weight * guess

    def _logits(self, batch: Batch, image_tokens: torch.Tensor) -> torch.Tensor:
        embeddings = self.model.get_input_embeddings()(batch.input_ids)
        places = (batch.input_ids == self.model.config.image_token_id).unsqueeze(-1)
        output = self.model(
            inputs_embeds=embeddings.masked_scatter(places, image_tokens),
            attention_mask=batch.attention_mask,
            use_cache=False,
        )
        logits: torch.Tensor = output.logits
        return logits

    def _image_tokens(self, pixels: torch.Tensor) -> torch.Tensor:
        features = self.model.model.vision_model(pixel_values=pixels).last_hidden_state
        tokens: torch.Tensor = self.model.model.connector(features)
        return tokens

    def _class_logits(self, image_tokens: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._head(image_tokens.mean(dim=1))
        return logits

    def _steps(
        self, parameters: list[torch.nn.Parameter], steps: int, rate: float
    ) -> Iterator[int]:
        """Yield the steps; after each, clip and apply the gradients the caller left."""
        optimizer = torch.optim.AdamW(parameters, lr=rate, betas=_BETAS, weight_decay=0.02)
        self.model.train()
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = rate_at(step, steps, rate)
            optimizer.zero_grad(set_to_none=True)
            yield step
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()


def rounded_to_float16(
    model: Idefics3ForConditionalGeneration,
) -> Idefics3ForConditionalGeneration:
    """Round the trained weights to float16, as they are published."""
    return model.half().eval()


def _report(stage: str, step: int, steps: int, **values: torch.Tensor) -> None:
    numbers = "  ".join(f"{name} {value.item():.3f}" for name, value in values.items())
    print(f"{time.strftime('%H:%M:%S')}  {stage} {step}/{steps}  {numbers}", flush=True)


def main() -> None:
    """Train and write the folder."""
    parser = argparse.ArgumentParser(description="Train demo-tiny on ExpArt-mini's train split.")
    parser.add_argument("--out", type=Path, default=WEIGHTS_FOLDER, help="folder to write")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    trainer = TinyTrainer(load_questions(TRAIN_SPLIT), TrainingPlan(), seed=SEED)
    trainer.train_vision()
    trainer.train_answers()
    save_folder(rounded_to_float16(trainer.model), trainer.processor, arguments.out)
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
