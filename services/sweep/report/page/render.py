"""Puts the page together."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from services.sweep.report.charts.chart import Chart
from services.sweep.report.charts.labels import seconds_text
from services.sweep.report.model import Report
from services.sweep.report.page.metric_words import headline
from services.sweep.report.page.numbers import numbers_json
from services.sweep.report.page.summary import summary_of
from services.sweep.report.page.texts import visible

_STYLES = ("page.css", "tables.css", "questions.css", "print.css")

# In this order: each may use what stands before it.
_SCRIPTS = (
    "dom.js",
    "format.js",
    "data_files.js",
    "tables.js",
    "ranking.js",
    "leaderboard.js",
    "contrasts.js",
    "entities.js",
    "answers.js",
    "question_list.js",
    "question_page.js",
    "keyboard.js",
    "app.js",
)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A chart with its pictures, by metric, ready to stand in a page."""

    id: str
    heading: str
    caption: str
    is_per_metric: bool
    pictures: tuple[tuple[str, Markup], ...]


def render_page(
    report: Report,
    charts: Sequence[Chart],
    *,
    charts_css: str = "",
    inline: Sequence[str] = (),
    external: bool = False,
) -> str:
    """Writes a report as one page of HTML that needs no network.

    Args:
        report: What it says.
        charts: Its charts, in the order in which they are shown.
        charts_css: What colours them.
        inline: Scripts that hand the viewer its data, ``expart.add(NAME, DATA)`` each.
        external: The viewer's data lie beside the page, in ``report_data/NAME.js``. Where there
            are neither these nor inline ones, the page has no viewer.

    Returns:
        The page.
    """
    environment = Environment(
        loader=FunctionLoader(_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(visible=visible, duration=seconds_text)
    style = "\n".join([*map(_text, _STYLES), charts_css])
    script = _script()
    return environment.get_template("report.html").render(
        report=report,
        summary=summary_of(report),
        headline=headline(report.metrics),
        charts=[_drawn(chart) for chart in charts],
        numbers=_as_is(numbers_json(report)),
        style=_as_is(style),
        script=_as_is(script),
        data_scripts=[_as_is(text) for text in inline],
        external=external,
        viewer=external or bool(inline),
        policy=_policy([script, *inline], style, external=external),
    )


def _text(name: str) -> str:
    return files("services.sweep.report.page").joinpath(name).read_text(encoding="utf-8")


def _script() -> str:
    joined = "\n".join(_text(f"scripts/{name}") for name in _SCRIPTS)
    return f'"use strict";\n(() => {{\n{joined}\n}})();\n'


def _drawn(chart: Chart) -> _Drawn:
    pictures = tuple((metric, _as_is(svg)) for metric, svg in chart.svg.items())
    return _Drawn(chart.id, chart.heading, chart.caption, chart.is_per_metric, pictures)


def _as_is(text: str) -> Markup:
    """Takes a text for markup: our own files, and what was escaped where it was written."""
    return Markup(text)  # noqa: S704


def _policy(scripts: Sequence[str], style: str, *, external: bool) -> str:
    """What the page may load and run: itself, and pictures that stand in it.

    Scripts beside it may run because a script of the page asks for them: a file that is opened
    from disk has no origin that could be named.
    """
    allowed = [_hash(text) for text in scripts]
    if external:
        allowed.append("'strict-dynamic'")
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {' '.join(allowed)}",
            f"style-src {_hash(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types expart-data",
        ]
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
