"""What a report says, ready to be written as tables, charts and a page.

Values of metrics are as the metrics give them, mostly 0 to 1; what writes them out shows shares
times 100, by :func:`services.sweep.leaderboard.standings.reported`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.benchmark.records import Setting
from services.sweep.progress.costs import ModelCost
from services.sweep.report.knowledge.model import Correlations, EntityKnowledge, LengthCurve, Pace
from services.sweep.spec.controls import Control


@dataclass(frozen=True, slots=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over questions, and how sure it is.

    Attributes:
        value: The mean; none where nothing is scorable.
        interval: Its interval; none where it cannot be told, as for a single artwork.
        questions: Questions that the mean is taken over.
        artworks: Artworks that these are about.
    """

    value: float | None
    interval: Interval | None
    questions: int
    artworks: int


@dataclass(frozen=True, slots=True)
class Contender:
    """A model asked in one way: what the report compares.

    Attributes:
        label: How tables and charts name it: the model, and in what else it differs from others.
        sweep: Name of the sweep.
        model: Model and adapter, as the spec names them.
        revision: Revision of the weights.
        prompt: Name of the prompt.
        sampling: Name of the way of choosing tokens.
        control: Which picture was shown.
    """

    label: str
    sweep: str
    model: str
    revision: str
    prompt: str
    sampling: str
    control: Control


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the planned answers of a row; each replicate of a question is one.

    Attributes:
        questions: Distinct questions.
        replicates: How often each of them is asked.
        planned: Answers in all.
        scored: Answers with scores.
        unscorable: Scored answers for which at least one metric has no value.
        failed: Answers whose generation or scoring failed.
        pending: Answers that are not there, or not scored, yet.
        truncated: Scored answers that were cut off by the token limit.
    """

    questions: int
    replicates: int
    planned: int
    scored: int
    unscorable: int
    failed: int
    pending: int
    truncated: int


@dataclass(frozen=True, slots=True)
class MetricResult:
    """One metric in one row.

    Attributes:
        macro: The macro mean: the headline.
        micro: The value from summed statistics (micro mean, corpus BLEU); none where the metric
            has no such value.
        mean_with_zeros: The macro mean in which questions whose reference has no entity pairs
            count as 0; none where the metric knows no such questions.
        unscorable: Questions left out of the mean, by reason.
    """

    macro: Estimate
    micro: Estimate | None
    mean_with_zeros: float | None
    unscorable: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One contender in one setting and one part of the test (``seen``, ``unseen`` or ``all``).

    Attributes:
        contender: Place of the contender in the report.
        setting: With Title or Without Title.
        part: Part of the test.
        counts: What became of its answers.
        metrics: The metrics that were computed, by name, in the order of the published tables.
    """

    contender: int
    setting: Setting
    part: str
    counts: Counts
    metrics: Mapping[str, MetricResult]


@dataclass(frozen=True, slots=True)
class Contrast:
    """A difference of two means, ``first - second``, and how sure it is.

    Attributes:
        difference: The difference; none where the two share no scorable question.
        interval: Its interval; none where it cannot be told.
        p: Probability of a difference as large where there is none; none where it cannot be told.
        p_corrected: The same, corrected for the number of comparisons; none where none is made.
        questions: Questions in both, or in the smaller of the two where they are not paired.
        artworks: Artworks that these are about.
    """

    difference: float | None
    interval: Interval | None
    p: float | None
    p_corrected: float | None
    questions: int
    artworks: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two contenders on the same questions.

    Attributes:
        metric: The metric.
        setting: With Title or Without Title.
        part: Part of the test.
        first: Place of one contender.
        second: Place of the other; always after the first.
        contrast: First minus second, paired by question, Holm-corrected over all pairs of this
            metric, setting and part.
    """

    metric: str
    setting: Setting
    part: str
    first: int
    second: int
    contrast: Contrast


class GapKind(StrEnum):
    """Two ways of asking the same model."""

    TITLE = "title"
    """With Title minus Without Title, paired by question; of one part of the test."""

    SEEN = "seen"
    """Seen minus unseen artworks; of one setting. Not paired."""

    WRONG_IMAGE = "wrong_image"
    """The artwork's own picture minus another's, paired: the grounding drop."""

    NO_IMAGE = "no_image"
    """The artwork's own picture minus none, paired."""


@dataclass(frozen=True, slots=True)
class Gap:
    """How one contender's metric changes with how it is asked.

    Attributes:
        kind: What is compared.
        contender: Place of the contender; for grounding, the one that saw the right pictures.
        metric: The metric.
        setting: With Title or Without Title; none for the title gap.
        part: Part of the test; ``all`` for the gap between the parts.
        contrast: The gap. Corrected over all contenders of this kind, metric, setting and part.
    """

    kind: GapKind
    contender: int
    metric: str
    setting: Setting | None
    part: str
    contrast: Contrast


@dataclass(frozen=True, slots=True)
class MetricSignature:
    """How a metric was computed: without it no number can be compared.

    Attributes:
        macro: Signature of the macro mean.
        micro: Signature of the value from summed statistics; none where there is none.
    """

    macro: str
    micro: str | None


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """A row from a paper, which was not computed here.

    Attributes:
        model: The model, as the paper names it.
        setting: With Title or Without Title.
        values: Values by metric, as the metrics give them (shares 0 to 1).
        source: The paper and its table.
        sample: Which questions they are over.
    """

    model: str
    setting: Setting
    values: Mapping[str, float]
    source: str
    sample: str


@dataclass(frozen=True, slots=True)
class SweepInfo:
    """Where one sweep's results come from.

    Attributes:
        name: Name of the sweep.
        output: Its output: a folder or a URI.
        dataset: Folder of its dataset.
        dataset_revision: What was loaded there; empty for files of one's own.
        dataset_digest: Names the dataset's files by their contents.
        currency: Of its prices.
        costs: What its models took.
        attested: For each model, what the service said it ran, in words.
        versions: Python and the packages that matter.
        failures: Failed answers by reason.
        planned_at: When it was planned.
        ended_at: When its last run ended; none while it runs, or when it was killed.
        notes: What is not as it should be, a sentence each: missing shards, partly scored metrics.
    """

    name: str
    output: str
    dataset: str
    dataset_revision: str
    dataset_digest: str
    currency: str
    costs: tuple[ModelCost, ...]
    attested: Mapping[str, Sequence[str]]
    versions: Mapping[str, str]
    failures: Mapping[str, int]
    planned_at: datetime
    ended_at: datetime | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals and p-values were computed.

    Attributes:
        resamples: How many times the artworks were drawn, and the signs.
        seed: Seed of the draws.
        artworks: Artworks that were drawn from.
    """

    resamples: int
    seed: int
    artworks: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report says, but the answers themselves.

    Attributes:
        title: Names the sweeps.
        made_at: When it was made.
        sweeps: Where the results come from.
        contenders: What is compared, in the order of the specs.
        metrics: Names of the metrics, in the order of the published tables.
        signatures: How each metric was computed.
        rows: Rows by contender, setting and part.
        comparisons: Pairs of contenders that were shown the right pictures.
        gaps: Gaps by kind, contender, metric, setting and part.
        published: Rows from papers.
        resampling: How intervals and p-values were computed.
        entities: Which entities are known; none where the references are not at hand.
        correlations: How the metrics go together; none where nothing is scored.
        lengths: Coverage against length.
        pace: How fast answers came.
    """

    title: str
    made_at: datetime
    sweeps: tuple[SweepInfo, ...]
    contenders: tuple[Contender, ...]
    metrics: tuple[str, ...]
    signatures: Mapping[str, MetricSignature]
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    gaps: tuple[Gap, ...]
    published: tuple[PublishedRow, ...]
    resampling: Resampling
    entities: EntityKnowledge | None
    correlations: Correlations | None
    lengths: tuple[LengthCurve, ...]
    pace: tuple[Pace, ...]
