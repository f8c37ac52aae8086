"""What a worker tells of its work beside the answers: times, tokens, what its caches knew."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from services.metrics import Score, ScoringInput, score_all

# Every so many-th item is measured metric by metric, and stands for the others: a reading of the
# processor's clock takes as long as a small metric. A prime, so as not to fall into step with the
# models of a sweep, whose answers to one question come one after the other.
SAMPLED_ITEMS = 17


class WorkerReport(NamedTuple):
    """What has been done since the report before.

    Attributes:
        metric_seconds: Processor time by metric, estimated.
        reference_hits: References that were analysed before.
        reference_misses: References that were not.
        encoder_tokens: Tokens that were embedded.
        encoder_batch_seconds: How long each batch of the encoder took.
        embedding_hits: Texts whose embeddings were kept.
        embedding_misses: Texts that had to be embedded.
    """

    metric_seconds: tuple[tuple[str, float], ...] = ()
    reference_hits: int = 0
    reference_misses: int = 0
    encoder_tokens: int = 0
    encoder_batch_seconds: tuple[float, ...] = ()
    embedding_hits: int = 0
    embedding_misses: int = 0


@dataclass(slots=True)
class EncoderWork:
    """What an encoder has done since it was last asked.

    Attributes:
        tokens: Tokens that were embedded, without padding.
        batch_seconds: How long each batch took.
        hits: Texts that it had embedded before and kept.
        misses: Texts that it had to embed.
    """

    tokens: int = 0
    batch_seconds: list[float] = field(default_factory=list)
    hits: int = 0
    misses: int = 0

    def note_lookups(self, texts: int, missing: int) -> None:
        """Takes that texts were looked up, and how many were not there."""
        self.hits += texts - missing
        self.misses += missing

    def note_batch(self, tokens: int, duration_s: float) -> None:
        """Takes that a batch was embedded."""
        self.tokens += tokens
        self.batch_seconds.append(duration_s)

    def clear(self) -> None:
        """Forgets what has been told."""
        self.tokens = self.hits = self.misses = 0
        self.batch_seconds.clear()


class CacheCounts(Protocol):
    """The part of functools' cache_info that is told."""

    @property
    def hits(self) -> int:
        """Look-ups that found something."""

    @property
    def misses(self) -> int:
        """Look-ups that found nothing."""


class WorkLog:
    """Notes what a worker does, for its next report.

    Args:
        references: Tells how the cache of references did, since the beginning.
        encoder: What the worker's encoder does, if it has one.
    """

    def __init__(self, references: Callable[[], CacheCounts], encoder: EncoderWork | None) -> None:
        self._references = references
        self._encoder = encoder
        self._told_hits = self._told_misses = 0
        self._metric_seconds: dict[str, float] = {}
        self._until_sample = SAMPLED_ITEMS

    def score(self, item: ScoringInput, metrics: Sequence[str]) -> Sequence[Score]:
        """Scores an item, and measures it if its turn has come."""
        if not metrics:  # nobody names what is computed then
            return score_all(item, metrics)
        self._until_sample -= 1
        if self._until_sample:
            return score_all(item, metrics)
        self._until_sample = SAMPLED_ITEMS
        return self._measured(item, metrics)

    def take(self) -> WorkerReport:
        """Gives the report, and begins the next one."""
        references = self._references()
        hits, misses = references.hits - self._told_hits, references.misses - self._told_misses
        self._told_hits, self._told_misses = references.hits, references.misses
        seconds = tuple(self._metric_seconds.items())
        self._metric_seconds.clear()
        work = self._encoder
        if work is None:
            return WorkerReport(seconds, hits, misses)
        batches = tuple(work.batch_seconds)
        report = WorkerReport(seconds, hits, misses, work.tokens, batches, work.hits, work.misses)
        work.clear()
        return report

    def _measured(self, item: ScoringInput, metrics: Sequence[str]) -> Sequence[Score]:
        scores: list[Score] = []
        began = time.thread_time()
        for name in metrics:
            scores += score_all(item, (name,))
            ended = time.thread_time()
            so_far = self._metric_seconds.get(name, 0.0)
            self._metric_seconds[name] = so_far + SAMPLED_ITEMS * (ended - began)
            began = ended
        return scores
