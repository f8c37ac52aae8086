"""What several requests need to be generated together: each keeps its own sampling and end."""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from transformers import LogitsProcessor, StoppingCriteria

from services.generation.domain import FinishReason, Sampling
from services.generation.engines.transformers_sampling import TokenChooser
from services.generation.engines.transformers_text import AnswerText

# Tensors with a place a token. Prompts end at the same place, so they are filled up on the left.
_TOKEN_TENSORS = (
    "input_ids",
    "attention_mask",
    "cross_attention_mask",
    "token_type_ids",
    "mm_token_type_ids",
)
# InstructBLIP's second prompt; its encoder counts positions from the start.
_RIGHT_FILLED_TENSORS = ("qformer_input_ids", "qformer_attention_mask")


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt as the model takes it.

    Attributes:
        inputs: What the processor made, each tensor with a first dimension of its own.
        token_ids: The prompt's tokens, the picture's among them.
        image_token_count: How many of them stand for the picture.
    """

    inputs: Mapping[str, torch.Tensor]
    token_ids: Sequence[int]
    image_token_count: int

    @property
    def group(self) -> Hashable:
        """Prompts with equal groups can be generated together: their pictures are shaped alike."""
        filled_up = (*_TOKEN_TENSORS, *_RIGHT_FILLED_TENSORS)
        return tuple(
            (name, tuple(tensor.shape[2 if name in filled_up else 1 :]), tensor.dtype)
            for name, tensor in sorted(self.inputs.items())
        )


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """How one answer ended, with readings of the monotonic clock in seconds."""

    finish_reason: FinishReason
    token_count: int
    started_at: float
    first_token_at: float
    ended_at: float


News = str | AnswerEnd | Exception


class Answer:
    """One request from the queue to its end.

    Args:
        prompt: What it is generated from.
        sampling: How its tokens are chosen.
        adapter: LoRA adapter to apply, or empty.
        receive: Takes what is new; called in the event loop.
    """

    def __init__(
        self,
        prompt: EncodedPrompt,
        sampling: Sampling,
        adapter: str,
        receive: Callable[[News], None],
    ) -> None:
        self.prompt = prompt
        self.sampling = sampling
        self.adapter = adapter
        self.receive = receive
        # Set from the event loop and read by the thread that generates.
        self.is_cancelled = False

    @property
    def group(self) -> Hashable:
        """Answers with equal groups can be generated together."""
        return (self.adapter, self.prompt.group)


class AnswerInBatch:
    """Follows one answer of a running batch, token by token."""

    def __init__(
        self,
        answer: Answer,
        decode: Callable[[Sequence[int]], str],
        end_tokens: frozenset[int],
        device: torch.device,
    ) -> None:
        sampling = answer.sampling
        self.answer = answer
        self.chooser = TokenChooser(sampling, answer.prompt.token_ids, end_tokens, device)
        self.is_done = False
        self._text = AnswerText(
            decode,
            answer.prompt.token_ids,
            stop=sampling.stop,
            min_tokens=sampling.min_tokens,
        )
        self._end_tokens = end_tokens
        self._count = 0
        self._started_at = time.monotonic()
        self._first_token_at = 0.0

    def take(self, token_id: int) -> list[News]:
        """Takes the next token, and says what the caller should hear of it."""
        self._count += 1
        if self._count == 1:
            self._first_token_at = time.monotonic()
        self.chooser.record(token_id)
        reason = None
        if token_id in self._end_tokens or self._text.add(token_id):
            reason = FinishReason.STOP
        elif self._count >= self.answer.sampling.max_tokens:
            reason = FinishReason.LENGTH
        self.is_done = reason is not None or self.answer.is_cancelled
        piece = self._text.take(is_finished=reason is not None)
        news: list[News] = [piece] if piece else []
        if reason is not None:
            news.append(
                AnswerEnd(
                    reason, self._count, self._started_at, self._first_token_at, time.monotonic()
                )
            )
        return news


class ChoosingProcessor(LogitsProcessor):  # type: ignore[misc]
    """Leaves each answer's next token as the likeliest, however its sampling chose it."""

    def __init__(self, answers: Sequence[AnswerInBatch]) -> None:
        self._answers = answers

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Works on the logits of one step, a row an answer."""
        del input_ids
        for row, answer in enumerate(self._answers):
            if not answer.is_done:
                scores[row] = answer.chooser.apply(scores[row])
        return scores


class FollowingCriteria(StoppingCriteria):  # type: ignore[misc]
    """Passes each step's tokens on, and says which answers are done."""

    def __init__(
        self,
        answers: Sequence[AnswerInBatch],
        publish: Callable[[list[tuple[Answer, News]]], None],
    ) -> None:
        self._answers = answers
        self._publish = publish

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        """Is called once a step, when the chosen tokens have been appended."""
        del scores
        heard: list[tuple[Answer, News]] = []
        for answer, token_id in zip(self._answers, input_ids[:, -1].tolist(), strict=True):
            if not answer.is_done:
                heard.extend((answer.answer, news) for news in answer.take(token_id))
        if heard:
            self._publish(heard)
        done = [answer.is_done for answer in self._answers]
        return torch.tensor(done, device=input_ids.device)


def join_prompts(prompts: Sequence[EncodedPrompt], pad_token: int) -> dict[str, torch.Tensor]:
    """Joins prompts of one group into the inputs of one batch."""
    joined: dict[str, torch.Tensor] = {}
    for name in prompts[0].inputs:
        tensors = [prompt.inputs[name] for prompt in prompts]
        if name in _TOKEN_TENSORS:
            tensors = _filled_up(tensors, pad_token if name == "input_ids" else 0, on_left=True)
        elif name in _RIGHT_FILLED_TENSORS:
            tensors = _filled_up(tensors, 0, on_left=False)
        joined[name] = torch.cat(tensors)
    return joined


def _filled_up(tensors: list[torch.Tensor], value: int, *, on_left: bool) -> list[torch.Tensor]:
    longest = max(tensor.shape[1] for tensor in tensors)
    filled = []
    for tensor in tensors:
        length, *rest = tensor.shape[1:]
        gap = tensor.new_full((tensor.shape[0], longest - length, *rest), value)
        filled.append(torch.cat([gap, tensor] if on_left else [tensor, gap], dim=1))
    return filled
