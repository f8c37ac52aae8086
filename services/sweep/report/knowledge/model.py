"""What the stored answers tell beyond their scores' means, ready to be written."""

from dataclasses import dataclass
from datetime import datetime

from services.benchmark.records import Setting


@dataclass(frozen=True, slots=True)
class EntityStanding:
    """How well the contenders know one entity, both settings and all parts together.

    Attributes:
        entity: The entity.
        questions: Answers, over all contenders, to questions whose reference has it.
        asked: For each contender, how many of its answers these are.
        found: For each contender, how many of these name it.
        repeats: For each contender, how often it is named beyond what the reference does.
    """

    entity: str
    questions: int
    asked: tuple[int, ...]
    found: tuple[int, ...]
    repeats: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EntityKnowledge:
    """Which entities the contenders know.

    Attributes:
        distinct: Distinct entities asked for.
        coverage_counts: For each contender, entities by the share of its answers that name them:
            never, up to a quarter, a half, three quarters, below always, always.
        most_asked: The entities asked for most, up to 1,000.
        most_missed: Those of these that are missed most, by the number of answers; of these and
            the following up to 25.
        most_repeated: Those named most often beyond what the references do.
        most_known: Those asked for at least five times that the greatest share of answers names.
    """

    distinct: int
    coverage_counts: tuple[tuple[int, ...], ...]
    most_asked: tuple[EntityStanding, ...]
    most_missed: tuple[EntityStanding, ...]
    most_repeated: tuple[EntityStanding, ...]
    most_known: tuple[EntityStanding, ...]


@dataclass(frozen=True, slots=True)
class Correlations:
    """Rank correlations of the metrics over answers.

    Attributes:
        metrics: Names of the metrics.
        values: Spearman's coefficient, a row and a column a metric, -1 to 1; the mean over
            contenders and settings, weighted by their answers. None where one never varies.
        answers: Answers that it is taken over.
    """

    metrics: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    answers: int


@dataclass(frozen=True, slots=True)
class LengthBin:
    """Answers of about the same length.

    Attributes:
        length: Their mean length in tokens.
        value: Their mean entity coverage.
        answers: How many there are.
    """

    length: float
    value: float
    answers: int


@dataclass(frozen=True, slots=True)
class LengthCurve:
    """Entity coverage against length for one contender and setting, short answers first."""

    contender: int
    setting: Setting
    bins: tuple[LengthBin, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one model's answers came. Times are in seconds.

    Attributes:
        label: Model and adapter.
        sweep: Name of the sweep.
        answers: How many there are.
        began_at: When the first was under way.
        ended_at: When the last was there.
        bin_s: Width of a bin of ``rates``.
        rates: Answers a second in bins of time from the report's earliest ``began_at`` on.
        total_s: Time of an answer, arrival at the service to its end, at 50, 90 and 99 %.
        first_token_s: Time to the first token, the same.
        tokens_per_s: Generated tokens a second while an answer is decoded, the median; 0 where no
            answer tells.
    """

    label: str
    sweep: str
    answers: int
    began_at: datetime
    ended_at: datetime
    bin_s: float
    rates: tuple[float, ...]
    total_s: tuple[float, float, float]
    first_token_s: tuple[float, float, float]
    tokens_per_s: float
