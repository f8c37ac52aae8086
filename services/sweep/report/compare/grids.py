"""The tables of a comparison, before Markdown or a terminal shapes them."""

from collections.abc import Sequence

from services.benchmark.records import Setting
from services.sweep.leaderboard.standings import ALL_PARTS
from services.sweep.report.compare.model import (
    MetricChange,
    ModelChange,
    QuestionChange,
    SweepComparison,
)
from services.sweep.report.tables.best import is_significant
from services.sweep.report.tables.grid import Cell, Grid, Line
from services.sweep.report.tables.layout import (
    NOTHING,
    SHORT_SETTING_NAMES,
    SIGNIFICANCE_LEVEL,
    has_best,
    shown,
    shown_bounds,
    shown_difference,
    shown_p,
    shown_spread,
)
from services.sweep.report.tables.notes import resampling_note

_ANSWER_COUNTS = ("both", "changed", "newly failed", "mended", "pending")


def changes_grid(comparison: SweepComparison) -> Grid:
    """Means over all parts of the test, old and new, and their differences."""
    lines: list[Line] = []
    for model in comparison.models:
        for setting in Setting:
            changes = {
                change.metric: change
                for change in model.metrics
                if change.setting is setting and change.part == ALL_PARTS
            }
            if changes:
                lines += _lines(model, setting, changes, comparison.metrics)
    return Grid(
        title="Changes",
        names=("model", "title", "what"),
        counts=("n",),
        metrics=comparison.metrics,
        lines=tuple(lines),
    )


def answers_grid(comparison: SweepComparison) -> Grid:
    """What became of the answers."""
    return Grid(
        title="Answers",
        names=("model", "title"),
        counts=_ANSWER_COUNTS,
        metrics=(),
        lines=tuple(
            Line(
                names=(model.label, SHORT_SETTING_NAMES[one.setting]),
                counts=tuple(
                    str(count)
                    for count in (
                        one.given,
                        one.changed,
                        one.newly_failed,
                        one.mended,
                        one.pending,
                    )
                ),
                cells=(),
                is_whole=False,
            )
            for model in comparison.models
            for one in model.answers
        ),
    )


def questions_grid(comparison: SweepComparison) -> Grid:
    """The questions that one metric changed most for: EF1, or the first that was computed."""
    metric = headline_metric(comparison.metrics)
    changes = [change for change in comparison.largest if change.metric == metric]
    return Grid(
        title=f"Largest changes of {metric}",
        names=("question", "artwork", "model"),
        counts=("old", "new", "difference"),
        metrics=(),
        lines=tuple(_question_line(change) for change in changes),
    )


def headline_metric(metrics: Sequence[str]) -> str:
    """The metric that stands for the others; empty where there is none."""
    better = [metric for metric in metrics if has_best(metric)]
    return "ef1" if "ef1" in better else next(iter([*better, *metrics]), "")


def comparison_notes(comparison: SweepComparison) -> list[str]:
    """Says what the tables show, and what they leave out."""
    notes = [
        f"Old: {comparison.old}. New: {comparison.new}.",
        "Means over the questions that both sweeps have a value for, over all parts of the test, "
        "times 100; len: mean length in tokens. n: these questions, for the metric with the most. "
        "p: of a paired test, after Holm's correction over the models; *: below "
        f"{SIGNIFICANCE_LEVEL}. rose, fell: questions whose value became greater or less.",
        resampling_note(comparison.resampling),
    ]
    revisions = [
        f"{model.label} {model.old_revision} and {model.new_revision}"
        for model in comparison.models
        if model.old_revision != model.new_revision
    ]
    if revisions:
        notes.append(f"Revisions, old and new: {'; '.join(revisions)}.")
    for name, ways in (("old", comparison.only_old), ("new", comparison.only_new)):
        if ways:
            notes.append(f"In the {name} sweep alone, and not compared: {'; '.join(ways)}.")
    return notes


def _lines(
    model: ModelChange, setting: Setting, changes: dict[str, MetricChange], metrics: Sequence[str]
) -> list[Line]:
    of = (model.label, SHORT_SETTING_NAMES[setting])
    found = [changes.get(metric) for metric in metrics]
    questions = max(change.contrast.questions for change in changes.values())

    def line(what: str, cells: Sequence[Cell], count: str = "", *, is_whole: bool = False) -> Line:
        return Line((*of, what), (count,), tuple(cells), is_whole)

    nothing = Cell(NOTHING)
    return [
        line("old", [Cell(shown(one.metric, one.old)) if one else nothing for one in found]),
        line("new", [Cell(shown(one.metric, one.new)) if one else nothing for one in found]),
        line(
            "new - old",
            [_difference(one) if one else nothing for one in found],
            str(questions),
            is_whole=True,
        ),
        line("p", [Cell(shown_p(one.contrast.p_corrected)) if one else nothing for one in found]),
        line("rose", [Cell(str(one.rose)) if one else nothing for one in found]),
        line("fell", [Cell(str(one.fell)) if one else nothing for one in found]),
    ]


def _difference(change: MetricChange) -> Cell:
    contrast = change.contrast
    return Cell(
        value=shown_difference(change.metric, contrast.difference),
        bounds=shown_bounds(change.metric, contrast.interval),
        spread=shown_spread(change.metric, contrast.interval),
        is_significant=is_significant(contrast),
    )


def _question_line(change: QuestionChange) -> Line:
    return Line(
        names=(change.question, change.title, change.label),
        counts=(
            shown(change.metric, change.old),
            shown(change.metric, change.new),
            shown_difference(change.metric, change.difference),
        ),
        cells=(),
        is_whole=False,
    )
