"""Charts of pairs: With and Without Title, seen and unseen, right and other pictures."""

from collections.abc import Mapping

from services.benchmark.records import Setting
from services.sweep.leaderboard.standings import ALL_PARTS
from services.sweep.report.charts.axes import Block
from services.sweep.report.charts.dumbbell import Pair, Wording, dumbbell
from services.sweep.report.charts.labels import SETTINGS, part_name, part_order
from services.sweep.report.charts.marks import style_of
from services.sweep.report.model import Contender, Contrast, GapKind, Report
from services.sweep.spec.controls import Control

_Place = tuple[int, Setting, str]
_GapPlace = tuple[GapKind, int, Setting | None, str]

_TITLES = Wording(
    "titles", "With against Without Title", "With Title", "Without Title", "With minus Without"
)
_PARTS = Wording(
    "parts", "seen against unseen artworks", "seen artworks", "unseen artworks", "Seen minus unseen"
)
_GROUNDING = Wording(
    "grounding",
    "the artwork's own picture against another, or none",
    "own picture",
    "wrong or no picture",
    "Drop without the right picture",
)
_CONTROLS = {
    GapKind.WRONG_IMAGE: (Control.WRONG_IMAGE, "another artwork's picture"),
    GapKind.NO_IMAGE: (Control.NO_IMAGE, "no picture"),
}


def titles(report: Report, metric: str) -> str | None:
    """Draws With against Without Title for each contender, a block for each part of the test."""
    means, gaps = _means(report, metric), _gaps(report, metric)
    blocks = []
    for part in sorted({row.part for row in report.rows}, key=part_order):
        pairs = [
            Pair(
                contender.label,
                style_of(place),
                means.get((place, Setting.WITH_TITLE, part)),
                means.get((place, Setting.WITHOUT_TITLE, part)),
                gaps.get((GapKind.TITLE, place, None, part)),
            )
            for place, contender in enumerate(report.contenders)
        ]
        blocks.append(Block(part_name(part), [pair for pair in pairs if pair.has_something]))
    return dumbbell(metric, _TITLES, blocks)


def parts(report: Report, metric: str) -> str | None:
    """Draws seen against unseen artworks for each contender, a block for each setting."""
    means, gaps = _means(report, metric), _gaps(report, metric)
    blocks = []
    for setting in Setting:
        pairs = [
            Pair(
                contender.label,
                style_of(place),
                means.get((place, setting, "seen")),
                means.get((place, setting, "unseen")),
                gaps.get((GapKind.SEEN, place, setting, ALL_PARTS)),
            )
            for place, contender in enumerate(report.contenders)
        ]
        blocks.append(Block(SETTINGS[setting], [pair for pair in pairs if pair.has_something]))
    return dumbbell(metric, _PARTS, blocks)


def grounding(report: Report, metric: str) -> str | None:
    """Draws what becomes of each contender that was also asked with a wrong picture or with none.

    Over all parts of the test; a block for each kind of picture and setting.
    """
    means, gaps = _means(report, metric), _gaps(report, metric)
    blocks = []
    for kind, (control, words) in _CONTROLS.items():
        for setting in Setting:
            pairs = [
                Pair(
                    report.contenders[place].label,
                    style_of(place),
                    means.get((place, setting, ALL_PARTS)),
                    means.get((_under(report, place, control), setting, ALL_PARTS)),
                    gap,
                )
                for (of, place, gap_setting, part), gap in gaps.items()
                if of is kind and gap_setting is setting and part == ALL_PARTS
            ]
            heading = f"{SETTINGS[setting]}: own picture against {words}"
            blocks.append(Block(heading, [pair for pair in pairs if pair.has_something]))
    return dumbbell(metric, _GROUNDING, blocks)


def _means(report: Report, metric: str) -> Mapping[_Place, float]:
    return {
        (row.contender, row.setting, row.part): result.macro.value
        for row in report.rows
        if (result := row.metrics.get(metric)) is not None and result.macro.value is not None
    }


def _gaps(report: Report, metric: str) -> Mapping[_GapPlace, Contrast]:
    return {
        (gap.kind, gap.contender, gap.setting, gap.part): gap.contrast
        for gap in report.gaps
        if gap.metric == metric
    }


def _under(report: Report, place: int, control: Control) -> int:
    """The place of the contender that differs in the picture alone; -1 where there is none."""
    asked = _asked(report.contenders[place])
    return next(
        (
            other
            for other, contender in enumerate(report.contenders)
            if contender.control is control and _asked(contender) == asked
        ),
        -1,
    )


def _asked(contender: Contender) -> tuple[str, str, str, str, str]:
    return (
        contender.sweep,
        contender.model,
        contender.revision,
        contender.prompt,
        contender.sampling,
    )
