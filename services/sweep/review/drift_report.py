"""What asking again has shown: how many answers are the same, and how far others differ."""

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.metrics.registry import METRICS
from services.sweep.leaderboard.standings import reported
from services.sweep.remote.messages import ScoringAnswer

# Of two texts, what is shown around the place where they part.
_BEFORE_CHARS = 24
_AFTER_CHARS = 36
_MOST_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class DriftedAnswer:
    """An answer that is another one now.

    Attributes:
        key: Names the question to the model.
        question: Names the question in its dataset.
        first_difference: The first character, from 0, in which the two differ.
        stored: The stored answer.
        again: The answer now.
    """

    key: str
    question: str
    first_difference: int
    stored: str
    again: str

    def describe(self) -> str:
        """Three lines for people."""
        begin = max(0, self.first_difference - _BEFORE_CHARS)
        end = self.first_difference + _AFTER_CHARS
        return (
            f"{self.question} at character {self.first_difference}\n"
            f"  stored: {self.stored[begin:end]!r}\n"
            f"  again:  {self.again[begin:end]!r}"
        )


@dataclass(frozen=True, slots=True)
class MetricDrift:
    """How one metric's values differ over the answers that differ; as reports show them.

    Attributes:
        compared: How many answers have a value for both texts.
        mean: Mean of the new value minus the stored one's.
        greatest: The greatest difference, whatever its sign.
    """

    compared: int
    mean: float
    greatest: float


@dataclass(frozen=True, slots=True)
class ModelDrift:
    """What came of asking one model again.

    Attributes:
        label: How tables name the model.
        asked: Questions that were asked again.
        identical: Answers that are the same, character for character.
        failures: Questions that were not answered now, by reason.
        drifted: The answers that are not the same.
        metrics: By metric, how the scores of these differ, both scored now and alike.
    """

    label: str
    asked: int
    identical: int
    failures: Mapping[str, int]
    drifted: tuple[DriftedAnswer, ...]
    metrics: Mapping[str, MetricDrift]

    def describe(self) -> str:
        """Lines for people."""
        if not self.asked:
            return f"{self.label}: no stored answer to what would be asked now"
        parts = [f"{self.identical} identical", f"{len(self.drifted)} different"]
        parts += [f"{count} failed ({reason})" for reason, count in sorted(self.failures.items())]
        lines = [f"{self.label}: {self.asked} asked again, {', '.join(parts)}"]
        if self.drifted:
            places = sorted(answer.first_difference for answer in self.drifted)
            lines.append(
                f"  first difference at character {places[0]} at the earliest, "
                f"{statistics.median(places):g} in the median"
            )
        for name, metric in self.metrics.items():
            if metric.greatest:
                lines.append(
                    f"  {name}: {metric.mean:+.2f} on average over {metric.compared} answers, "
                    f"{metric.greatest:.2f} at most"
                )
        for answer in self.drifted[:_MOST_EXAMPLES]:
            lines += [f"  {line}" for line in answer.describe().split("\n")]
        return "\n".join(lines)


def first_difference(one: str, other: str) -> int:
    """The first character, from 0, in which two texts differ that are not the same."""
    shorter = min(len(one), len(other))
    return next((at for at in range(shorter) if one[at] != other[at]), shorter)


def score_drifts(
    pairs: Iterable[tuple[ScoringAnswer | None, ScoringAnswer | None]],
) -> dict[str, MetricDrift]:
    """Compares the scores of stored answers with those of the answers now.

    Args:
        pairs: For each question the stored answer's scores and the new one's, where there are any.
    """
    differences: dict[str, list[float]] = {}
    for stored, again in pairs:
        if stored is None or again is None:
            continue
        before = {score.metric: score for score in stored.scores}
        for score in again.scores:
            first = before.get(score.metric)
            if first is None or first.value is None or score.value is None:
                continue
            difference = reported(score.metric, score.value - first.value)
            assert difference is not None
            differences.setdefault(score.metric, []).append(difference)
    return {
        name: MetricDrift(
            compared=len(found), mean=statistics.fmean(found), greatest=max(map(abs, found))
        )
        for name in METRICS
        if (found := differences.get(name))
    }
