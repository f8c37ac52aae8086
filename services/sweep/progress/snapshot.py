"""How far a sweep is at one moment, as plain numbers."""

import heapq
from bisect import bisect_left
from dataclasses import dataclass, field, replace

# Upper bounds in seconds, as Prometheus wants them; what is above all of them counts apart.
LATENCY_BOUNDS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
COMMIT_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations, counted by their size.

    Attributes:
        bounds_s: Upper bounds of the buckets, rising.
        counts: How many durations fell into each bucket; the last counts those above all bounds.
        sum_s: Their sum in seconds.
    """

    bounds_s: tuple[float, ...]
    counts: tuple[int, ...]
    sum_s: float

    @classmethod
    def empty(cls, bounds_s: tuple[float, ...]) -> "Histogram":
        """A histogram of nothing."""
        return cls(bounds_s, (0,) * (len(bounds_s) + 1), 0.0)

    @property
    def count(self) -> int:
        """How many durations there are."""
        return sum(self.counts)

    def with_durations(self, durations_s: list[float]) -> "Histogram":
        """The histogram with these durations added."""
        counts = list(self.counts)
        for duration_s in durations_s:
            counts[bisect_left(self.bounds_s, duration_s)] += 1
        return Histogram(self.bounds_s, tuple(counts), self.sum_s + sum(durations_s))


@dataclass(frozen=True, slots=True)
class ModelProgress:
    """How far one model's questions are.

    Attributes:
        label: How tables name the model.
        planned: Questions in all.
        done: Questions whose explanation is stored durably, earlier runs included.
        failed: Questions that failed, or have no picture.
        to_ask_again: Of those that failed in this run, how many a later run asks again.
        in_flight: Questions being asked now.
        prompt_token_count: Tokens of the prompts of this run's answers, the pictures' included.
        generated_token_count: Tokens generated in this run.
        set_aside: Why the model is not asked any further in this run; empty otherwise.
        concurrency: Most questions that may be in flight now.
        retries: How often this run asked again, by reason.
        rate_per_s: Questions settled a second over the last minute.
        tokens_per_s: Tokens generated a second over the last minute.
        latency: Seconds from a question's arrival at the service to its answer, in this run.
    """

    label: str
    planned: int
    done: int = 0
    failed: int = 0
    in_flight: int = 0
    prompt_token_count: int = 0
    generated_token_count: int = 0
    set_aside: str = ""
    to_ask_again: int = 0
    concurrency: int = 0
    retries: dict[str, int] = field(default_factory=dict)
    rate_per_s: float = 0.0
    tokens_per_s: float = 0.0
    latency: Histogram = field(default_factory=lambda: Histogram.empty(LATENCY_BOUNDS_S))

    @property
    def unsettled(self) -> int:
        """Questions that are neither done nor failed."""
        return self.planned - self.done - self.failed

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the end at the rate of the last minute; nothing without a rate."""
        if self.rate_per_s <= 0 or self.set_aside:
            return None
        return self.unsettled / self.rate_per_s


@dataclass(frozen=True, slots=True)
class SweepSnapshot:
    """How far a sweep is.

    Attributes:
        models: One entry a model, in the order of the spec.
        scored: Questions whose scores are stored durably, earlier runs included.
        elapsed_s: Seconds since this run began to ask.
        done_before: Questions that were done or failed before this run began.
        max_parallel_models: Most models asked at the same time; 0 for all.
        commits: How long this run's commits took.
    """

    models: tuple[ModelProgress, ...]
    scored: int
    elapsed_s: float
    done_before: int
    max_parallel_models: int = 0
    commits: Histogram = field(default_factory=lambda: Histogram.empty(COMMIT_BOUNDS_S))

    def at_rest(self) -> "SweepSnapshot":
        """The same counts of a run that is over: nothing is in flight, and nothing has a pace."""
        models = (
            replace(model, in_flight=0, rate_per_s=0.0, tokens_per_s=0.0) for model in self.models
        )
        return replace(self, models=tuple(models), done_before=self.settled)

    @property
    def planned(self) -> int:
        """Questions in all."""
        return sum(model.planned for model in self.models)

    @property
    def done(self) -> int:
        """Questions whose explanation is stored durably."""
        return sum(model.done for model in self.models)

    @property
    def settled(self) -> int:
        """Questions that are done or failed."""
        return sum(model.done + model.failed for model in self.models)

    @property
    def failed(self) -> int:
        """Questions that failed, or have no picture."""
        return sum(model.failed for model in self.models)

    @property
    def left(self) -> int:
        """Questions that a later run asks: unsettled ones, and those that failed in passing."""
        again = sum(model.to_ask_again for model in self.models)
        return self.planned - self.settled + again

    @property
    def unscored(self) -> int:
        """Stored explanations without stored scores; those whose scoring failed are among them."""
        return max(0, self.done - self.scored)

    @property
    def rate_per_s(self) -> float:
        """Questions settled a second in this run."""
        return (self.settled - self.done_before) / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def recent_rate_per_s(self) -> float:
        """Questions settled a second over the last minute."""
        return sum(model.rate_per_s for model in self.models)

    @property
    def tokens_per_s(self) -> float:
        """Tokens generated a second over the last minute."""
        return sum(model.tokens_per_s for model in self.models)

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the end, or nothing while there is no rate, or nothing to ask.

        The models go on side by side, so the slowest decides; those that wait for their turn
        follow at the mean rate of those that are asked now.
        """
        asked = [model for model in self.models if not model.set_aside and model.unsettled]
        if not asked:
            return None
        ends = [left for model in asked if (left := model.remaining_s) is not None]
        if not ends:
            rate = self.rate_per_s
            return (self.planned - self.settled) / rate if rate > 0 else None
        mean_rate = sum(model.rate_per_s for model in asked) / len(ends)
        waiting = [model.unsettled for model in asked if model.remaining_s is None]
        places = self.max_parallel_models or len(asked)
        ends += [0.0] * max(0, min(places, len(asked)) - len(ends))
        heapq.heapify(ends)
        for questions in waiting:
            heapq.heappush(ends, heapq.heappop(ends) + questions / mean_rate)
        return max(ends)
