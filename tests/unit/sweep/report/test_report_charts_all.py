import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from services.sweep.report.charts import WHOLE, charts, charts_css
from services.sweep.report.charts.labels import text_width
from services.sweep.report.model import Report
from tests.unit.sweep.report.drawn_chart import SVG, Drawn
from tests.unit.sweep.report.sample_report import bare_report, crowded_report, sample_report

HOSTILE = "</svg></script><script>alert(1)</script>&\"'\x00\u202e<img src=x onerror=alert(1)>"


def _hostile_report() -> Report:
    """The sample with every name turned into markup."""
    report = sample_report()
    assert report.entities is not None
    standings = tuple(
        replace(one, entity=f"{HOSTILE} {place}")
        for place, one in enumerate(report.entities.most_asked)
    )
    return replace(
        report,
        contenders=tuple(
            replace(one, label=f"{HOSTILE} {place}") for place, one in enumerate(report.contenders)
        ),
        entities=replace(
            report.entities,
            most_asked=standings,
            most_missed=standings,
            most_known=standings,
            most_repeated=standings,
        ),
        published=tuple(replace(one, model=HOSTILE, source=HOSTILE) for one in report.published),
        pace=tuple(replace(one, label=HOSTILE) for one in report.pace),
        sweeps=tuple(
            replace(
                sweep,
                name=HOSTILE,
                currency=HOSTILE,
                costs=tuple(replace(cost, label=HOSTILE) for cost in sweep.costs),
            )
            for sweep in report.sweeps
        ),
    )


def _long_names() -> Report:
    report = crowded_report(20)
    names = [f"organisation/a-model-with-a-long-name-{n}-of-many (wrong_image)" for n in range(20)]
    sample = sample_report()
    assert sample.entities is not None
    asked = tuple(
        replace(one, asked=(5,) * 20, found=(2,) * 20, repeats=(1,) * 20, entity=one.entity * 9)
        for one in sample.entities.most_asked
    )
    return replace(
        report,
        contenders=tuple(
            replace(one, label=name) for one, name in zip(report.contenders, names, strict=True)
        ),
        entities=replace(
            sample.entities, coverage_counts=((1, 2, 3, 4, 5, 6),) * 20, most_asked=asked
        ),
        lengths=tuple(replace(sample.lengths[0], contender=n) for n in range(20)),
        pace=tuple(replace(sample.pace[0], label=name) for name in names),
    )


REPORTS = {
    "sample": sample_report,
    "bare": bare_report,
    "crowded": lambda: crowded_report(20),
    "hostile": _hostile_report,
    "long": _long_names,
    "empty": lambda: replace(bare_report(), contenders=(), rows=(), sweeps=()),
}


def _drawn(name: str) -> Iterator[str]:
    for chart in charts(REPORTS[name]()).values():
        yield from chart.svg.values()


def test_all_charts_of_a_full_report_are_there_in_page_order() -> None:
    drawn = charts(sample_report())
    assert list(drawn) == [
        "forest", "titles", "parts", "grounding", "correlations", "lengths", "coverage",
        "entities", "missed", "known", "repeated", "pace", "latency", "costs",
    ]  # fmt: skip
    assert [one.id for one in drawn.values()] == list(drawn)


def test_charts_of_metrics_have_a_picture_for_each_metric_with_values() -> None:
    drawn = charts(sample_report())
    assert list(drawn["forest"].svg) == ["bleu", "rouge_l", "ef1", "ec_exact", "ecooc_0", "length"]
    assert drawn["forest"].is_per_metric
    assert list(drawn["pace"].svg) == [WHOLE]
    assert not drawn["pace"].is_per_metric


def test_a_report_of_one_question_has_the_charts_that_it_can_have() -> None:
    assert list(charts(bare_report())) == ["forest", "costs"]


def test_a_report_of_nothing_has_no_charts() -> None:
    assert charts(REPORTS["empty"]()) == {}


def test_captions_are_sentences() -> None:
    for chart in charts(sample_report()).values():
        assert chart.heading[0].isupper()
        assert not chart.heading.endswith(".")
        assert re.fullmatch(r"[A-Z][^.]*(\.\d[^.]*)*\.", chart.caption), chart.caption


@pytest.mark.parametrize("name", REPORTS)
def test_pictures_are_well_formed_and_say_what_they_show(name: str) -> None:
    names = set()
    for svg in _drawn(name):
        root = ET.fromstring(svg)
        assert root.tag == f"{SVG}svg"
        assert root.attrib["role"] == "img"
        title, description = root[0], root[1]
        assert (title.tag, description.tag) == (f"{SVG}title", f"{SVG}desc")
        assert title.text
        assert description.text
        assert (title.attrib["id"], description.attrib["id"]) == (
            root.attrib["aria-labelledby"],
            root.attrib["aria-describedby"],
        )
        assert title.attrib["id"] not in names
        names.add(title.attrib["id"])


@pytest.mark.parametrize("name", REPORTS)
def test_pictures_refer_to_nothing_outside_and_run_nothing(name: str) -> None:
    allowed = {"svg", "title", "desc", "g", "path", "line", "rect", "text", "polyline"}
    for svg in _drawn(name):
        for one in ET.fromstring(svg).iter():
            assert one.tag.removeprefix(SVG) in allowed
            for attribute in one.attrib:
                assert not attribute.startswith(("on", "{"))
                assert attribute not in {"href", "src", "style"}
        assert svg.count("http") == svg.count('xmlns="http://www.w3.org/2000/svg"') == 1
        assert "url(" not in svg


@pytest.mark.parametrize("name", REPORTS)
def test_no_picture_has_a_colour_of_its_own(name: str) -> None:
    for svg in _drawn(name):
        for one in ET.fromstring(svg).iter():
            assert not {"fill", "stroke", "color", "stop-color"} & set(one.attrib)


@pytest.mark.parametrize("name", REPORTS)
def test_nothing_is_drawn_outside_of_its_picture(name: str) -> None:
    for svg in _drawn(name):
        drawn = Drawn(svg)
        width, height = drawn.size
        for mark in (mark for one in drawn.data() for mark in one.marks()):
            assert -1 <= mark.x <= width
            assert -1 <= mark.y <= height
        for box in drawn.boxes():
            assert box.x + box.width <= width
            assert box.y + box.height <= height
        for words in drawn.texts():
            assert 0 < words.y < height
            share = {"start": 1.0, "middle": 0.5, "end": 0.0}[words.anchor]
            # The widths that charts reckon with are a little generous, and small text is smaller.
            size = 10.0
            if not words.is_turned:
                assert words.x + share * text_width(words.text, size) <= width + 2, words
            assert words.x - (1 - share) * text_width(words.text, size) >= -2, words


def test_the_same_report_gives_the_same_charts() -> None:
    assert charts(sample_report()) == charts(sample_report())


# The style sheet.

_VARIABLE = re.compile(r"(--[\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);")

# As the page has them.
_LIGHT = {"paper": "#fdfcfa", "ink": "#1d1d1b"}
_DARK = {"paper": "#17181a", "ink": "#e9e7e2"}


def _palettes() -> tuple[dict[str, str], dict[str, str]]:
    """The colours by name, in light and in dark."""
    found = _VARIABLE.findall(charts_css())
    light = {name: colour for name, colour, _ in found}
    return light | _LIGHT, {name: colour for name, _, colour in found} | _DARK


def _channels(colour: str) -> list[float]:
    return [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]


def _luminance(channels: list[float]) -> float:
    """Relative luminance as WCAG 2 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(first: list[float], second: list[float]) -> float:
    low, high = sorted((_luminance(first), _luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_every_variable_has_a_colour_for_light_and_for_dark() -> None:
    declared = re.findall(r"^ +(--[\w-]+):", charts_css().split("}")[0], re.MULTILINE)
    assert declared
    for palette in _palettes():
        assert set(declared) <= set(palette)


@pytest.mark.parametrize("palette", _palettes(), ids=["light", "dark"])
def test_every_colour_stands_out_from_the_paper(palette: dict[str, str]) -> None:
    for number in range(1, 9):
        # WCAG 2.2, 1.4.11: graphical objects.
        contrast = _contrast(_channels(palette[f"--c{number}"]), _channels(palette["paper"]))
        assert contrast >= 3, number


@pytest.mark.parametrize("palette", _palettes(), ids=["light", "dark"])
def test_numbers_on_bars_can_be_read(palette: dict[str, str]) -> None:
    for level in range(6):
        # WCAG 2.2, 1.4.3: text.
        ink, ground = _channels(palette[f"--q{level}-on"]), _channels(palette[f"--q{level}"])
        assert _contrast(ink, ground) >= 4.5, level


@pytest.mark.parametrize("palette", _palettes(), ids=["light", "dark"])
@pytest.mark.parametrize("sign", ["positive", "negative"])
def test_numbers_on_the_deepest_cells_can_be_read(palette: dict[str, str], sign: str) -> None:
    over, under = _channels(palette[f"--heat-{sign}"]), _channels(palette["paper"])
    # The deepest cell covers 62 % of the paper.
    ground = [0.62 * top + 0.38 * bottom for top, bottom in zip(over, under, strict=True)]
    assert _contrast(_channels(palette["ink"]), ground) >= 4.5


def test_shares_of_entities_get_steadily_deeper() -> None:
    for palette, is_falling in zip(_palettes(), (True, False), strict=True):
        levels = [_luminance(_channels(palette[f"--q{level}"])) for level in range(6)]
        assert levels == sorted(levels, reverse=is_falling)
        assert all(
            max(one, other) + 0.05 >= 1.2 * (min(one, other) + 0.05)
            for one, other in pairwise(levels)
        )


def test_colours_stand_in_variables_alone() -> None:
    rules = re.sub(r"--[\w-]+: [^;]*;", "", charts_css())
    assert not re.search(r"#[0-9a-f]{3}|rgb|hsl", rules)


def test_every_class_of_a_picture_has_a_look() -> None:
    css = charts_css()
    known = set(re.findall(r"\.(c-[\w-]+)", css))
    used = {
        name
        for svg in _drawn("sample")
        for one in ET.fromstring(svg).iter()
        for name in one.get("class", "").split()
    }
    assert used - {"c-legend"} <= known, used - known
