"""What a leaderboard says: numbers for each model, way of asking, setting and part of the test."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.benchmark.records import Setting
from services.metrics.registry import METRICS
from services.sweep.spec.controls import Control

# The row over all parts; the other rows are named by the parts themselves.
ALL_PARTS = "all"


@dataclass(frozen=True, slots=True)
class MetricStanding:
    """One metric over one group of questions; values as the metric gives them, mostly 0 to 1.

    Replicates of one question are averaged first, and then count as one question; the signatures
    say so where there are any.

    Attributes:
        mean: Macro mean over the scorable questions; none where there is none.
        corpus_value: The value from summed statistics: corpus BLEU, micro means; may be none.
        corpus_signature: Its signature; none where the metric has no such value.
        mean_with_zeros: The mean in which questions whose reference has no entity pairs count as
            0; none where the metric knows no such questions.
        scored_count: Questions that the mean is taken over.
        unscorable_counts: Questions left out of it, by reason.
        signature: Signature of the mean.
    """

    mean: float | None
    corpus_value: float | None
    corpus_signature: str | None
    mean_with_zeros: float | None
    scored_count: int
    unscorable_counts: Mapping[str, int]
    signature: str


@dataclass(frozen=True, slots=True)
class Group:
    """Which questions a row is about.

    Attributes:
        model: How tables name the model.
        revision: Revision of its weights.
        prompt: Name of the prompt.
        sampling: Name of the way of choosing tokens.
        control: Which picture was shown.
        setting: With Title or Without Title.
        part: ``seen``, ``unseen`` or ``all``.
    """

    model: str
    revision: str
    prompt: str
    sampling: str
    control: Control
    setting: Setting
    part: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One row of a leaderboard. Each replicate of a question is a planned answer of its own.

    Attributes:
        group: Which questions it is about.
        questions: Distinct questions.
        replicates: How often each of them is asked.
        planned: Answers in all.
        scored: Answers with scores; the others are failed or pending.
        failed: Answers whose generation or scoring failed, or that have no picture.
        pending: Answers that are not there, or not scored, yet.
        truncated: Scored answers that were cut off by the token limit.
        unscorable: Scored answers for which at least one metric has no value.
        metrics: The metrics, in the order of the published tables.
    """

    group: Group
    questions: int
    replicates: int
    planned: int
    scored: int
    failed: int
    pending: int
    truncated: int
    unscorable: int
    metrics: Mapping[str, MetricStanding]

    @property
    def model(self) -> str:
        """How tables name the model."""
        return self.group.model

    @property
    def revision(self) -> str:
        """Revision of the model's weights."""
        return self.group.revision

    @property
    def setting(self) -> Setting:
        """With Title or Without Title."""
        return self.group.setting

    @property
    def part(self) -> str:
        """``seen``, ``unseen`` or ``all``."""
        return self.group.part


def reported(metric: str, value: float | None) -> float | None:
    """A metric's value as reports show it: shares times 100, counts such as length as they are."""
    if value is None or math.isinf(METRICS[metric].max_value):
        return value
    return value * 100


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The results of a sweep, as far as it has come.

    Attributes:
        standings: The rows: models, prompts and samplings in the order of the spec, then controls,
            settings and parts.
        metrics: Names of the metrics, in the order of the published tables.
        failures: Failed answers by reason.
        to_ask_again: How many of these failed for a reason that may pass; the next run asks them
            again.
        partly_scored: Metrics that not all the scored answers were scored by, with how many were:
            their means are over other questions than the rest.
        missing_shards: Shards of the present plan that have not begun, whose questions are not
            counted at all.
        stale_shards: Shards that were planned from another spec, dataset or models than the one
            planned last; their questions are not counted either.
    """

    standings: tuple[Standing, ...]
    metrics: tuple[str, ...]
    failures: Mapping[str, int]
    to_ask_again: int
    partly_scored: Mapping[str, int] = field(default_factory=dict)
    missing_shards: tuple[str, ...] = ()
    stale_shards: tuple[str, ...] = ()

    @property
    def pending(self) -> int:
        """Answers that are not there yet, over all models."""
        return sum(standing.pending for standing in self.standings if standing.part == ALL_PARTS)
