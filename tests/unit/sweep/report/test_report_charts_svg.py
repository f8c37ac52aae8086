from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.sweep.report.charts.labels import fitted, percent_text, seconds_text, text_width
from services.sweep.report.charts.svg import datum, element, number, picture, text, words

_ANYTHING = st.text(st.characters(exclude_categories=()))


@given(_ANYTHING)
def test_any_name_is_well_formed_and_reads_as_it_was_but_for_what_xml_cannot_hold(
    name: str,
) -> None:
    drawn = ET.fromstring(element("text", words(name), label=name))
    for read in (drawn.text or "", drawn.attrib["label"]):
        assert len(read) <= len(name)
        kept = [letter for letter in read if letter not in "\ufffd\n "]
        assert kept == [letter for letter in name if letter in kept]
        assert "<" not in read or "<" in name


def test_markup_in_a_name_stays_text() -> None:
    assert words("<script>&\"'") == "&lt;script&gt;&amp;&quot;&#x27;"
    assert element("g", id='"><script>') == '<g id="&quot;&gt;&lt;script&gt;"/>'


@pytest.mark.parametrize("hidden", ["\x00", "\x1b", "\x7f", "\x85", "\u202e", "\u2066", "\ud800"])
def test_what_hides_or_turns_text_is_shown_as_replaced(hidden: str) -> None:
    assert words(f"a{hidden}b") == "a\ufffdb"


@pytest.mark.parametrize(
    ("value", "written"),
    [(1.0, "1"), (100.0, "100"), (12.30, "12.3"), (0.126, "0.13"), (-0.001, "0"), (-2.5, "-2.5")],
)
def test_coordinates_have_at_most_two_decimals(value: float, written: str) -> None:
    assert number(value) == written


def test_attributes_without_a_value_are_left_out_and_underscores_become_hyphens() -> None:
    assert element("g", class_="a", text_anchor=None, stroke_width=2) == (
        '<g class="c-a" stroke-width="2"/>'
    )


def test_a_picture_has_a_name_and_a_description_that_it_points_to() -> None:
    root = ET.fromstring(picture("chart-a", "A & B", "What it is", 120.0))
    title, description = root
    assert (title.text, description.text) == ("A & B", "What it is")
    assert root.attrib["aria-labelledby"] == title.attrib["id"]
    assert root.attrib["aria-describedby"] == description.attrib["id"]
    assert root.attrib["viewBox"] == "0 0 960 120"
    assert root.attrib["role"] == "img"


def test_a_shortened_text_keeps_the_whole_as_its_title() -> None:
    assert text(1, 2, "long…", whole="long name") == (
        '<text x="1" y="2" dy="0.35em"><title>long name</title>long…</text>'
    )
    assert "<title>" not in text(1, 2, "name", whole="name")


def test_a_datum_says_what_it_is() -> None:
    assert datum("a: 1").startswith('<g class="c-datum"><title>a: 1</title>')


def test_a_name_is_shortened_in_its_middle() -> None:
    name = "Qwen/Qwen2.5-VL-7B-Instruct, wrong image"
    short = fitted(name, 150.0)
    head, tail = short.split("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    assert len(tail) > 5
    assert 120.0 < text_width(short) <= 150.0


def test_a_name_that_fits_stays_but_for_its_white_space() -> None:
    assert fitted("a \n b", 100.0) == "a b"


@given(_ANYTHING, st.floats(20.0, 300.0))
def test_a_fitted_name_fits(name: str, width: float) -> None:
    assert text_width(fitted(name, width)) <= width


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.0, "0 %"), (0.001, "<1 %"), (0.254, "25 %"), (0.999, ">99 %"), (1.0, "100 %")],
)
def test_a_share_is_shown_as_none_or_all_only_where_it_is(share: float, shown: str) -> None:
    assert percent_text(share) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0.0 ms"),
        (0.25, "250 ms"),
        (1.5, "1.5 s"),
        (90.0, "90 s"),
        (600.0, "10 min"),
        (9000.0, "2.5 h"),
        (259_200.0, "3.0 d"),
    ],
)
def test_a_time_is_shown_in_the_unit_that_suits_it(seconds: float, shown: str) -> None:
    assert seconds_text(seconds) == shown
