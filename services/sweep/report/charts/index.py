"""All the charts of a report, in the order in which a page shows them."""

from collections.abc import Callable, Mapping
from importlib.resources import files

from services.sweep.report.charts.chart import WHOLE, Chart
from services.sweep.report.charts.correlations import correlations
from services.sweep.report.charts.costs import costs
from services.sweep.report.charts.coverage import coverage
from services.sweep.report.charts.entities import entities
from services.sweep.report.charts.entity_bars import known, missed, repeated
from services.sweep.report.charts.forest import forest
from services.sweep.report.charts.latency import latency
from services.sweep.report.charts.lengths import lengths
from services.sweep.report.charts.pace import pace
from services.sweep.report.charts.pairs import grounding, parts, titles
from services.sweep.report.model import Report

_OfMetric = Callable[[Report, str], str | None]
_OfReport = Callable[[Report], str | None]

_PER_METRIC: tuple[tuple[str, str, str, _OfMetric], ...] = (
    (
        "forest",
        "Means and how sure they are",
        "A mark is a contender's mean over questions and the line through it the 95 % interval "
        "from resampled artworks: marks far to the right are high, and short lines are sure.",
        forest,
    ),
    (
        "titles",
        "With against Without Title",
        "The filled mark is With Title, the hollow one Without; to the right their difference over "
        "the same questions with its 95 % interval, which is sure where it keeps clear of 0.",
        titles,
    ),
    (
        "parts",
        "Seen against unseen artworks",
        "The filled mark is for artworks that also occur in training, the hollow one for the "
        "others; to the right their difference with its 95 % interval.",
        parts,
    ),
    (
        "grounding",
        "With and without the right picture",
        "The filled mark is with the artwork's own picture, the hollow one with another or none: a "
        "contender whose value does not drop is not looking.",
        grounding,
    ),
)

_WHOLE: tuple[tuple[str, str, str, _OfReport], ...] = (
    (
        "correlations",
        "How the metrics go together",
        "Spearman's rank correlation over answers, the mean over contenders and settings: 1 where "
        "two metrics order answers alike, 0 where they have nothing in common, below 0 where one "
        "falls as the other rises.",
        correlations,
    ),
    (
        "lengths",
        "Coverage against length",
        "Each mark is a group of answers of about the same length: a curve that rises says that "
        "longer answers name more of the entities asked for.",
        lengths,
    ),
    (
        "coverage",
        "How evenly entities are known",
        "Each bar shares out the entities that a contender was asked for by the share of its "
        "answers that name them, from never on the left to always on the right.",
        coverage,
    ),
    (
        "entities",
        "Which entities are known",
        "Per cent of the answers that name an entity, of those whose reference has it; both "
        "settings and all parts together, with the number of answers over all contenders.",
        entities,
    ),
    (
        "missed",
        "Most missed entities",
        "The dark part of a bar is the answers that miss an entity, the whole bar all those whose "
        "reference has it.",
        missed,
    ),
    (
        "known",
        "Best known entities",
        "The dark part of a bar is the share of answers that name an entity, of those whose "
        "reference has it; only entities asked for at least five times are here.",
        known,
    ),
    (
        "repeated",
        "Most repeated entities",
        "How often answers name an entity beyond the number of times that their reference does.",
        repeated,
    ),
    (
        "pace",
        "Pace of the run",
        "The height of a strip is the number of answers that came per second; all strips share "
        "their scales.",
        pace,
    ),
    (
        "latency",
        "Time of an answer",
        "The mark is the median, the first stroke what 90 % of the answers stay below, and the "
        "second what 99 % do: the further left, the faster.",
        latency,
    ),
    (
        "costs",
        "Cost of each model",
        "What one answer, or a thousand, took on average; what failed attempts and idle replicas "
        "took is not in it.",
        costs,
    ),
)


def charts(report: Report) -> Mapping[str, Chart]:
    """Draws all charts of a report that have something to show, by their ids, in page order."""
    drawn = [
        Chart(name, heading, caption, _by_metric(report, draw))
        for name, heading, caption, draw in _PER_METRIC
    ]
    for name, heading, caption, draw_whole in _WHOLE:
        svg = draw_whole(report)
        drawn.append(Chart(name, heading, caption, {} if svg is None else {WHOLE: svg}))
    return {chart.id: chart for chart in drawn if chart.svg}


def charts_css() -> str:
    """The looks of all charts, to be put into a page: colours in light, dark and print."""
    return files("services.sweep.report.charts").joinpath("charts.css").read_text(encoding="utf-8")


def _by_metric(report: Report, draw: _OfMetric) -> Mapping[str, str]:
    drawn = {metric: draw(report, metric) for metric in report.metrics}
    return {metric: svg for metric, svg in drawn.items() if svg is not None}
