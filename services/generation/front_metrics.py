"""What a front tells Prometheus of its generations, beside its calls."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Protocol, Self

from services.core.errors import (
    DeadlineExceededError,
    EngineUnavailableError,
    GenerationAbortedError,
)
from services.generation.cold_starts import ColdStarts
from services.generation.domain import Completion, FinishReason, Lane, ModelCondition
from services.generation.token_pace import TokenPace
from services.telemetry.generation_metrics import GenerationMetrics
from services.telemetry.instruments import Metrics

_CLIENT, _DEADLINE, _ENGINE_LOST = _CAUSES = ("client", "deadline", "engine_lost")


class GenerationAsked(Protocol):
    """What is told of a request whose generation is watched."""

    @property
    def model(self) -> str:
        """Name of the model."""

    @property
    def lane(self) -> Lane:
        """Its lane."""

    @property
    def max_tokens(self) -> int:
        """Most tokens of its answer."""

    @property
    def is_out_of_time(self) -> bool:
        """Whether its caller waits no more, and not because it went away."""


class FrontMetrics:
    """Counts the generations of one front.

    Args:
        metrics: Where Prometheus finds the counts.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._explanations = metrics.counter(GenerationMetrics.EXPLANATIONS)
        self._cancelled = metrics.counter(GenerationMetrics.CANCELLED)
        self._wasted_tokens = metrics.counter(GenerationMetrics.WASTED_TOKENS)
        self._prompt_tokens = metrics.counter(GenerationMetrics.PROMPT_TOKENS)
        self._generated_tokens = metrics.counter(GenerationMetrics.GENERATED_TOKENS)
        self._first_tokens = metrics.distribution(GenerationMetrics.FIRST_TOKEN_SECONDS)
        self._tokens = metrics.distribution(GenerationMetrics.TOKEN_SECONDS)
        self._requests = metrics.distribution(GenerationMetrics.REQUEST_SECONDS)
        self._waits = metrics.distribution(GenerationMetrics.QUEUE_SECONDS)
        self._cold_starts = ColdStarts(metrics)
        self._paces: dict[str, TokenPace] = {}

    def use_models(self, models: Iterable[str]) -> None:
        """Shows the series of these models, from 0 on."""
        for model in models:
            self._paces.setdefault(model, TokenPace())
            for counter in (self._prompt_tokens, self._generated_tokens):
                counter.begin(model)
            for cause in _CAUSES:
                self._cancelled.begin(model, cause)
                self._wasted_tokens.begin(model, cause)
            for lane in Lane:
                self._first_tokens.begin(model, lane)
                self._waits.begin(model, lane)
                for reason in FinishReason:
                    self._explanations.begin(model, lane, reason)
            self._tokens.begin(model)
            self._requests.begin(model)
            self._cold_starts.begin(model)

    def generation(
        self, asked: GenerationAsked, text_chars: Callable[[], int] | None = None
    ) -> "GenerationWatch":
        """Watches one generation for as long as the block lasts.

        Args:
            asked: The request.
            text_chars: Says how many characters have come; None where they come all at once.
        """
        return GenerationWatch(self, asked, text_chars)

    def waited(self, model: str, lane: Lane, duration_s: float) -> None:
        """Takes how long a request waited before it got a place."""
        self._waits.observe(duration_s, model, lane)

    def called(self, model: str) -> None:
        """Takes that a request is about to go to a model, which it may wake."""
        self._cold_starts.called(model)

    def refreshed(
        self, conditions: Mapping[str, ModelCondition], is_busy: Callable[[str], bool]
    ) -> None:
        """Takes how the models are.

        Args:
            conditions: By the models' names.
            is_busy: Whether any request waits for a model.
        """
        self._cold_starts.refreshed(conditions, is_busy)

    def answered(self, asked: GenerationAsked, completion: Completion, text_chars: int) -> None:
        """Takes a generation that came to its end."""
        model, usage, timings = asked.model, completion.usage, completion.timings
        self._explanations.add(model, asked.lane, completion.finish_reason)
        self._prompt_tokens.add(model, amount=usage.prompt_token_count)
        self._generated_tokens.add(model, amount=usage.generated_token_count)
        self._first_tokens.observe(timings.first_token_s, model, asked.lane)
        self._requests.observe(timings.total_s, model)
        if usage.generated_token_count > 1:
            self._tokens.observe(timings.decode_s / (usage.generated_token_count - 1), model)
        self._pace(model).learn(completion, text_chars)

    def given_up(
        self, asked: GenerationAsked, cause: str, worked_s: float, text_chars: int | None
    ) -> None:
        """Takes a generation that did not come to its end.

        Args:
            asked: The request.
            cause: ``client``, ``deadline`` or ``engine_lost``.
            worked_s: How long a replica had it.
            text_chars: How many characters have come; None where nobody knows.
        """
        pace = self._pace(asked.model)
        tokens = pace.tokens_in(worked_s) if text_chars is None else pace.tokens_of(text_chars)
        self._cancelled.add(asked.model, cause)
        self._wasted_tokens.add(asked.model, cause, amount=min(tokens, asked.max_tokens))

    def _pace(self, model: str) -> TokenPace:
        # A model may have been taken out of the catalog while it answered.
        return self._paces.setdefault(model, TokenPace())


class GenerationWatch:
    """One generation, from its request to its answer or whatever ended it.

    Attributes:
        sent: When a replica was called, by the monotonic clock; 0 before.
    """

    __slots__ = ("_asked", "_is_answered", "_metrics", "_text_chars", "sent")

    def __init__(
        self,
        metrics: FrontMetrics,
        asked: GenerationAsked,
        text_chars: Callable[[], int] | None,
    ) -> None:
        self._metrics = metrics
        self._asked = asked
        self._text_chars = text_chars
        self._is_answered = False
        self.sent = 0.0

    def answered(self, completion: Completion, text_chars: int) -> None:
        """Takes the answer; whatever ends the block after that gives nothing up."""
        self._is_answered = True
        self._metrics.answered(self._asked, completion, text_chars)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cause = None if self._is_answered else _cause_of(error, self._asked)
        if cause is None:
            return
        worked_s = time.monotonic() - self.sent if self.sent else 0.0
        text_chars = None if self._text_chars is None else self._text_chars()
        self._metrics.given_up(self._asked, cause, worked_s, text_chars)


def _cause_of(error: BaseException | None, asked: GenerationAsked) -> str | None:
    """Says why a generation was given up; None where it was refused, or was not given up."""
    match error:
        case asyncio.CancelledError():
            return _DEADLINE if asked.is_out_of_time else _CLIENT
        case DeadlineExceededError():
            return _DEADLINE
        case EngineUnavailableError() | GenerationAbortedError():
            return _ENGINE_LOST
        case _:
            return None
