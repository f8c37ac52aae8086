"""The numbers of a report, metric by metric: means, differences and gaps with their uncertainty."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

from services.benchmark.records import Part, Setting
from services.metrics.registry import METRICS
from services.sweep.leaderboard.standings import ALL_PARTS
from services.sweep.report.cells import Cell, scores_by_pair, scores_by_question
from services.sweep.report.evidence import PARTS, SETTINGS, Evidence
from services.sweep.report.model import (
    Comparison,
    Contender,
    Contrast,
    Gap,
    GapKind,
    MetricResult,
)
from services.sweep.report.statistics.holm import corrected
from services.sweep.report.statistics.resampling import Resampler
from services.sweep.report.statistics.samples import Sample
from services.sweep.spec.controls import Control

_ALL_PARTS = (*(part.value for part in PARTS), ALL_PARTS)

_CONTROLS = {GapKind.WRONG_IMAGE: Control.WRONG_IMAGE, GapKind.NO_IMAGE: Control.NO_IMAGE}

_Place = tuple[int, Setting, str]


@dataclass(frozen=True, slots=True)
class MetricNumbers:
    """One metric's numbers.

    Attributes:
        results: For each cell its result; none where no answer in it was scored by the metric.
        comparisons: Pairs of contenders that were shown the right pictures.
        gaps: What how they are asked makes of the same contenders.
    """

    results: tuple[MetricResult | None, ...]
    comparisons: tuple[Comparison, ...]
    gaps: tuple[Gap, ...]


def metric_numbers(
    evidence: Evidence,
    metric: str,
    cells: Sequence[Cell],
    resampler: Resampler,
    *,
    micro: bool = False,
) -> MetricNumbers:
    """Works out one metric's numbers.

    Args:
        evidence: The results.
        metric: The metric's name.
        cells: The rows of the report.
        resampler: Draws the artworks.
        micro: Whether to work out values from summed statistics, too.
    """
    scores = [scores_by_question(evidence, metric, cell.rows) for cell in cells]
    known = [number for number, found in enumerate(scores) if len(found.scores)]
    samples = [scores[number].sample for number in known]
    macros = resampler.estimates(samples)
    is_summed = micro and METRICS[metric].corpus_value is not None
    micros = resampler.micro(metric, samples) if is_summed else None
    results: list[MetricResult | None] = [None] * len(cells)
    for at, number in enumerate(known):
        results[number] = MetricResult(
            macro=macros[at],
            micro=None if micros is None or micros[at].value is None else micros[at],
            mean_with_zeros=scores[number].mean_with_zeros,
            unscorable=scores[number].unscorable,
        )
    by_place = {
        (cells[number].contender, cells[number].setting, cells[number].part): sample
        for number, sample in zip(known, samples, strict=True)
    }
    contrasts = _Contrasts(metric, evidence.contenders, resampler)
    return MetricNumbers(
        results=tuple(results),
        comparisons=tuple(contrasts.comparisons(by_place)),
        gaps=(
            *contrasts.title_gaps(_pair_samples(evidence, metric, cells)),
            *contrasts.seen_gaps(by_place),
            *(gap for kind in _CONTROLS for gap in contrasts.grounding_gaps(kind, by_place)),
        ),
    )


def _pair_samples(
    evidence: Evidence, metric: str, cells: Sequence[Cell]
) -> Mapping[_Place, Sample]:
    found: dict[_Place, Sample] = {}
    for cell in cells:
        if evidence.contenders[cell.contender].control is Control.NONE:
            scores = scores_by_pair(evidence, metric, cell.rows)
            if len(scores.scores):
                found[cell.contender, cell.setting, cell.part] = scores.sample
    return found


class _Contrasts:
    """Differences of one metric.

    Args:
        metric: The metric's name.
        contenders: What is compared.
        resampler: Draws the artworks.
    """

    def __init__(self, metric: str, contenders: Sequence[Contender], resampler: Resampler) -> None:
        self._metric = metric
        self._contenders = contenders
        self._resampler = resampler
        # Controls do not compete: they are asked something else.
        self._rivals = [
            place for place, one in enumerate(contenders) if one.control is Control.NONE
        ]

    def comparisons(self, samples: Mapping[_Place, Sample]) -> list[Comparison]:
        """Every pair of contenders, in each setting and part."""
        places = list(samples)
        at = {place: number for number, place in enumerate(places)}
        families = [
            [
                (setting, part, one, two)
                for one, two in combinations(self._rivals, 2)
                if (one, setting, part) in at and (two, setting, part) in at
            ]
            for setting in SETTINGS
            for part in _ALL_PARTS
        ]
        # All at once: reading the draws takes as long for one family as for all of them.
        contrasts = iter(
            self._resampler.paired(
                [samples[place] for place in places],
                [
                    (at[one, setting, part], at[two, setting, part])
                    for family in families
                    for setting, part, one, two in family
                ],
            )
        )
        return [
            Comparison(self._metric, setting, part, one, two, contrast)
            for family in families
            for (setting, part, one, two), contrast in zip(
                family, corrected(list(islice(contrasts, len(family)))), strict=True
            )
        ]

    def title_gaps(self, samples: Mapping[_Place, Sample]) -> list[Gap]:
        """With Title minus Without Title, in each part."""
        found = []
        for part in _ALL_PARTS:
            pairs = {
                one: [samples.get((one, setting, part)) for setting in SETTINGS]
                for one in self._rivals
            }
            found += self._gaps(GapKind.TITLE, pairs, None, part)
        return found

    def seen_gaps(self, samples: Mapping[_Place, Sample]) -> list[Gap]:
        """Seen minus unseen, in each setting."""
        found = []
        for setting in SETTINGS:
            pairs = {
                one: [samples.get((one, setting, part.value)) for part in (Part.SEEN, Part.UNSEEN)]
                for one in self._rivals
            }
            found += self._gaps(GapKind.SEEN, pairs, setting, ALL_PARTS)
        return found

    def grounding_gaps(self, kind: GapKind, samples: Mapping[_Place, Sample]) -> list[Gap]:
        """The right picture minus another one or none, in each setting and part."""
        controls = {one: self._under(_CONTROLS[kind], one) for one in self._rivals}
        found = []
        for setting in SETTINGS:
            for part in _ALL_PARTS:
                pairs = {
                    one: [samples.get((place, setting, part)) for place in (one, control)]
                    for one, control in controls.items()
                    if control is not None
                }
                found += self._gaps(kind, pairs, setting, part)
        return found

    def _gaps(
        self,
        kind: GapKind,
        pairs: Mapping[int, Sequence[Sample | None]],
        setting: Setting | None,
        part: str,
    ) -> list[Gap]:
        """The gaps of the contenders that have both samples, corrected for their number."""
        asked = [one for one, both in pairs.items() if None not in both]
        chosen = [sample for one in asked for sample in pairs[one] if sample is not None]
        places = [(2 * at, 2 * at + 1) for at in range(len(asked))]
        contrast = self._resampler.unpaired if kind is GapKind.SEEN else self._resampler.paired
        contrasts: Sequence[Contrast] = corrected(contrast(chosen, places)) if asked else ()
        return [
            Gap(kind, one, self._metric, setting, part, found)
            for one, found in zip(asked, contrasts, strict=True)
        ]

    def _under(self, control: Control, contender: int) -> int | None:
        """The same model asked the same way with another picture."""
        own = self._contenders[contender]
        asked = (own.sweep, own.model, own.revision, own.prompt, own.sampling)
        for place, other in enumerate(self._contenders):
            others = (other.sweep, other.model, other.revision, other.prompt, other.sampling)
            if other.control is control and asked == others:
                return place
        return None
