"""Works out how two sweeps of the same questions differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from services.benchmark.records import Setting
from services.core.errors import UserInputError
from services.sweep.leaderboard.standings import ALL_PARTS
from services.sweep.report.cells import scores_by_question
from services.sweep.report.compare.answers import answer_changes, text_digests
from services.sweep.report.compare.model import (
    MetricChange,
    ModelChange,
    QuestionChange,
    SweepComparison,
)
from services.sweep.report.evidence import PARTS, Evidence
from services.sweep.report.model import Resampling
from services.sweep.report.signatures import signatures_of
from services.sweep.report.statistics.holm import corrected
from services.sweep.report.statistics.resampling import Resampler
from services.sweep.report.statistics.samples import Floats, Sample
from services.sweep.spec.controls import Control

MOST_QUESTIONS = 10
"""How many of the largest changes of single questions are listed for each metric."""

# Values that differ by less are the same but for rounding.
_TOLERANCE = 1e-12

_Way = tuple[str, str, str, Control]


@dataclass(frozen=True, slots=True)
class _Match:
    """A model asked in the same way in both sweeps, and its places among the contenders."""

    label: str
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class _Pair:
    """One metric's values on the questions that have one in both sweeps, in a setting and part."""

    match: _Match
    setting: Setting
    part: str
    old: Sample
    new: Sample
    old_scored: int
    new_scored: int

    @property
    def moved(self) -> Floats:
        """New minus old, question by question."""
        return self.new.values - self.old.values


def compare_sweeps(
    evidence: Evidence, resampler: Resampler, resampling: Resampling
) -> SweepComparison:
    """Compares two sweeps: models of the same name, asked the same questions in the same way.

    Args:
        evidence: The results of the old sweep and of the new one, in this order.
        resampler: Draws the artworks of the evidence.
        resampling: How it does.

    Raises:
        UserInputError: There are not two sweeps, they share no model, or the results cannot be
            read.
    """
    _refuse_other_than_two(evidence)
    old, new = (_ways(evidence, source) for source in range(2))
    matches = _matches(evidence, old, new)
    changes: dict[_Match, list[MetricChange]] = {match: [] for match in matches}
    largest: list[QuestionChange] = []
    for metric in evidence.metrics:
        pairs = list(_pairs(evidence, metric, matches))
        if any(pair.old_scored for pair in pairs) and any(pair.new_scored for pair in pairs):
            for pair, change in _metric_changes(metric, pairs, resampler):
                changes[pair.match].append(change)
            largest += _largest(evidence, metric, pairs)
    compared = {change.metric for found in changes.values() for change in found}
    digests = text_digests(evidence)
    return SweepComparison(
        old=evidence.sources[0].output,
        new=evidence.sources[1].output,
        models=tuple(
            ModelChange(
                label=match.label,
                control=evidence.contenders[match.old].control,
                old_revision=evidence.contenders[match.old].revision,
                new_revision=evidence.contenders[match.new].revision,
                answers=tuple(answer_changes(evidence, digests, (match.old, match.new))),
                metrics=tuple(found),
            )
            for match, found in changes.items()
        ),
        only_old=tuple(_words(way) for way in old if way not in new),
        only_new=tuple(_words(way) for way in new if way not in old),
        metrics=tuple(metric for metric in evidence.metrics if metric in compared),
        signatures={
            metric: signature.macro
            for metric, signature in signatures_of(evidence, micro=False).items()
            if metric in compared
        },
        largest=tuple(largest),
        resampling=resampling,
    )


def _refuse_other_than_two(evidence: Evidence) -> None:
    count = len(evidence.sources)
    if count != 2:  # noqa: PLR2004 - an old and a new one
        found = "shards of one" if count == 1 else f"{count} sweeps"
        raise UserInputError(f"to compare, name the outputs of two sweeps; these are {found}")


def _ways(evidence: Evidence, source: int) -> Mapping[_Way, int]:
    """Which model a sweep asks in which way, and its place among the contenders."""
    begin, end = evidence.offsets[source : source + 2]
    found: dict[_Way, int] = {}
    for place in np.unique(evidence.contender[begin:end]).tolist():
        one = evidence.contenders[place]
        found.setdefault((one.model, one.prompt, one.sampling, one.control), place)
    return found


def _matches(evidence: Evidence, old: Mapping[_Way, int], new: Mapping[_Way, int]) -> list[_Match]:
    shared = [way for way in old if way in new]
    if not shared:
        first, second = (source.output for source in evidence.sources)
        raise UserInputError(
            f"{first} and {second} have no model in common that was asked in the same way: the "
            f"first has {_named(old)}, the second {_named(new)}; a report of both without "
            "--compare compares models of any names"
        )
    prompts, samplings = ({way[number] for way in shared} for number in (1, 2))
    found = []
    for way in shared:
        one = evidence.contenders[old[way]]
        named = [one.model]
        named += [one.prompt] * (len(prompts) > 1)
        named += [one.sampling] * (len(samplings) > 1)
        named += [one.control.replace("_", " ")] * (one.control is not Control.NONE)
        found.append(_Match(", ".join(named), old[way], new[way]))
    return found


def _named(ways: Mapping[_Way, int]) -> str:
    return "; ".join(map(_words, ways))


def _words(way: _Way) -> str:
    model, prompt, sampling, control = way
    shown = [] if control is Control.NONE else [control.replace("_", " ")]
    return ", ".join([model, prompt, sampling, *shown])


def _pairs(evidence: Evidence, metric: str, matches: Sequence[_Match]) -> Iterator[_Pair]:
    """By setting, part and match, as far as both sweeps have planned something there."""
    for setting in Setting:
        for part in (*(part.value for part in PARTS), ALL_PARTS):
            for match in matches:
                rows = [evidence.rows(n, setting, part) for n in (match.old, match.new)]
                if not all(len(one) for one in rows):
                    continue
                old, new = (scores_by_question(evidence, metric, one).sample for one in rows)
                _, in_old, in_new = np.intersect1d(
                    old.questions, new.questions, assume_unique=True, return_indices=True
                )
                yield _Pair(
                    match=match,
                    setting=setting,
                    part=part,
                    old=_at(old, in_old),
                    new=_at(new, in_new),
                    old_scored=len(old),
                    new_scored=len(new),
                )


def _at(sample: Sample, places: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Sample:
    return Sample(
        questions=sample.questions[places],
        artworks=sample.artworks[places],
        values=sample.values[places],
        statistics=sample.statistics[places],
    )


def _metric_changes(
    metric: str, pairs: Sequence[_Pair], resampler: Resampler
) -> Iterator[tuple[_Pair, MetricChange]]:
    # A difference against nothing is resampled once, where two samples would be twice.
    samples = [
        replace(pair.new, values=values)
        for pair in pairs
        for values in (pair.moved, np.zeros(len(pair.new)))
    ]
    contrasts = resampler.paired(samples, [(2 * n, 2 * n + 1) for n in range(len(pairs))])
    for _, group in groupby(
        zip(pairs, contrasts, strict=True), lambda item: (item[0].setting, item[0].part)
    ):
        family = list(group)
        tested = corrected([contrast for _, contrast in family])
        for (pair, _), contrast in zip(family, tested, strict=True):
            rose, fell = (int(np.count_nonzero(sign * pair.moved > _TOLERANCE)) for sign in (1, -1))
            yield (
                pair,
                MetricChange(
                    metric=metric,
                    setting=pair.setting,
                    part=pair.part,
                    old=pair.old.mean,
                    new=pair.new.mean,
                    contrast=contrast,
                    old_scored=pair.old_scored,
                    new_scored=pair.new_scored,
                    rose=rose,
                    fell=fell,
                    same=len(pair.moved) - rose - fell,
                ),
            )


def _largest(evidence: Evidence, metric: str, pairs: Sequence[_Pair]) -> list[QuestionChange]:
    """The questions that changed most, over all models and both settings."""
    found: list[QuestionChange] = []
    for pair in pairs:
        if pair.part != ALL_PARTS:
            continue
        moved = np.abs(pair.moved)
        for place in np.argsort(-moved, kind="stable")[:MOST_QUESTIONS].tolist():
            if moved[place] <= _TOLERANCE:
                break
            question = evidence.questions[int(pair.old.questions[place])]
            found.append(
                QuestionChange(
                    label=pair.match.label,
                    metric=metric,
                    question=question.name,
                    title=question.title,
                    old=float(pair.old.values[place]),
                    new=float(pair.new.values[place]),
                )
            )
    found.sort(key=lambda change: -abs(change.difference))
    return found[:MOST_QUESTIONS]
