"""The page as text: what Chromium shows of it is in tests/browser."""

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest

from services.sweep.report.charts import charts, charts_css
from services.sweep.report.model import Report
from services.sweep.report.page.numbers import numbers_json
from services.sweep.report.page.render import render_page
from services.sweep.report.page.texts import visible
from tests.unit.sweep.report.sample_report import bare_report, crowded_report, sample_report


def _page(report: Report, *, inline: tuple[str, ...] = (), external: bool = False) -> str:
    drawn = tuple(charts(report).values())
    return render_page(report, drawn, charts_css=charts_css(), inline=inline, external=external)


def _policy(page: str) -> str:
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found is not None
    return found[1].replace("&#39;", "'")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("report", [sample_report(), bare_report(), crowded_report(30)])
def test_every_script_and_style_of_the_page_is_named_by_its_policy(report: Report) -> None:
    page = _page(report, inline=('expart.add("index","AAAA");\n',))
    policy = _policy(page)
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert (len(scripts), len(styles)) == (2, 1)
    for text in (*scripts, *styles):
        assert _hash(text) in policy
    assert "unsafe" not in policy


def test_no_element_has_a_style_or_a_handler_which_the_policy_would_refuse() -> None:
    page = _page(sample_report())
    assert not re.search(r"<[a-z][^>]*\s(style|on[a-z]+)=", page)


def test_nothing_is_asked_of_a_network() -> None:
    page = _page(sample_report(), external=True)
    addresses = set(re.findall(r"https?://[^\"'\s<)]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg"}


def test_names_are_text_and_never_markup() -> None:
    page = _page(replace(sample_report(), title="<script>alert(1)</script>{{ 7 * 7 }}"))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7 * 7 }}" in page


def test_only_a_page_with_answers_has_a_viewer() -> None:
    assert 'id="questions"' not in _page(sample_report())
    assert 'id="questions"' in _page(sample_report(), external=True)
    assert "strict-dynamic" in _policy(_page(sample_report(), external=True))
    assert "strict-dynamic" not in _policy(_page(sample_report()))


def test_numbers_are_shares_times_100_and_lengths_as_they_are() -> None:
    numbers = json.loads(numbers_json(sample_report()))
    row = next(row for row in numbers["rows"] if row["part"] == "seen" and row["contender"] == 1)
    # ef1 is 0.30 with 0.03 to each side, length 120 with 4.
    assert row["values"]["ef1"]["macro"] == [30, 27, 33]
    assert row["values"]["length"]["macro"] == [120, 116, 124]
    assert numbers["headline"] == "ef1"


def test_numbers_cannot_end_the_element_they_stand_in() -> None:
    text = numbers_json(sample_report())
    assert not set(text) & set("<>&")
    # "</script><i>Paris" is one of the entities.
    assert "\\u003c/script\\u003e" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\u202eabc", "[U+202E]abc"),
        ("bell\x07", "bell[U+0007]"),
        ("\ud800", "[U+D800]"),
        ("été 東京 👩\u200d🎨", "été 東京 👩\u200d🎨"),
    ],
)
def test_characters_that_hide_or_turn_others_are_named(text: str, shown: str) -> None:
    assert visible(text) == shown
