"""The report itself, in Chromium: what its reader sees first, and what can be changed about it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.browser_page import Watched, watched_page
from tests.browser.report_pages import write_page
from tests.unit.sweep.report.sample_report import bare_report, crowded_report

AA = 4.5
PHONE = (390, 844)


@pytest.fixture
def page(watched: Watched, report_file: Path) -> Page:
    return watched.open(report_file)


def test_the_first_screen_says_who_leads_by_how_much_and_how_sure(page: Page) -> None:
    # All questions, With Title: 0.6 x 0.30 + 0.4 x 0.20 = 26 % against 0.6 x 0.20 + 0.4 x 0.15
    # = 18 %, a difference of 8 points with an interval of 1 point to each side.
    verdict = page.locator("#panels .panel").first.locator(".verdict")
    expect(verdict).to_have_text(
        '<b>&"x leads with 26.00 EF1, 8.00 points ahead of a_b%$#\\ '
        "on the same questions (95 % interval 7.00 to 9.00, p < 0.001)."
    )
    box = verdict.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < page.viewport_size["height"]  # type: ignore[index]


def test_a_lead_that_may_be_chance_is_called_so(page: Page) -> None:
    verdict = page.locator("#panels .panel").nth(1).locator(".verdict")
    expect(verdict).to_contain_text("No clear leader")
    expect(verdict).to_contain_text("p = 0.400")


def test_another_metric_changes_every_section(page: Page) -> None:
    page.locator("#metric").select_option("ec_exact")
    # 0.6 x 0.18 + 0.4 x 0.13 = 16 %
    expect(page.locator("#panels .value").first).to_have_text("16.00")
    expect(page.locator("#comparisons .note [data-metric-name]")).to_have_text(
        "in Entity coverage, exact"
    )
    shown = page.locator("#chart-forest .drawing:visible")
    expect(shown).to_have_count(1)
    expect(shown).to_have_attribute("data-metric", "ec_exact")


def test_another_part_of_the_test_changes_the_numbers(page: Page) -> None:
    page.get_by_role("button", name="Unseen", exact=True).click()
    expect(page.locator("#panels .value").first).to_have_text("20.00")
    expect(page.get_by_role("button", name="Unseen", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )


def test_a_heading_sorts_the_table_both_ways(page: Page) -> None:
    heading = page.locator(".leaderboard thead th", has_text="EF1")
    cells = page.locator('.leaderboard tbody[data-setting="with_title"] tr:not(.group) th')
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert cells.all_inner_texts() == ['<b>&"x', "a_b%$#\\", "a_b%$#\\ wrong_image"]
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert cells.all_inner_texts() == ["a_b%$#\\ wrong_image", "a_b%$#\\", '<b>&"x']


def test_a_table_stays_sorted_when_the_part_changes(page: Page) -> None:
    page.locator(".leaderboard thead th", has_text="EF1").get_by_role("button").click()
    page.get_by_role("button", name="Seen", exact=True).click()
    expect(page.locator(".leaderboard thead th", has_text="EF1")).to_have_attribute(
        "aria-sort", "descending"
    )


def test_intervals_can_be_left_out(page: Page) -> None:
    cell = page.locator(".leaderboard td.best").first
    expect(cell).to_contain_text(" to ")
    page.get_by_label("Intervals", exact=True).uncheck()
    expect(page.locator(".leaderboard td.best").first).not_to_contain_text(" to ")


def test_published_rows_stand_apart_with_their_source(page: Page) -> None:
    expect(page.locator(".leaderboard .published")).to_contain_text("Published, not computed here")
    expect(page.locator("#leaderboard-notes")).to_contain_text(
        "A paper, Table 1; 1,199 test questions, a 25 % sample"
    )


def test_signatures_and_notes_are_there(page: Page) -> None:
    expect(page.locator(".notes").first).to_contain_text("Shards that have not begun")
    page.get_by_text("Signatures: how each number was computed").click()
    expect(page.locator(".signatures")).to_contain_text("ef1|case:mixed|rules:expart-1")


def test_comparisons_and_gaps_carry_the_signature_of_their_metric(page: Page) -> None:
    page.locator("#metric").select_option("bleu")
    assert (
        page.locator("[data-signature]").all_inner_texts()
        == ["bleu|case:mixed|rules:expart-1|replicates:2-averaged-first"] * 2
    )


def test_micro_values_replace_the_means_where_there_are_any(page: Page) -> None:
    # The sample's micro value is half its macro mean of 26.
    page.get_by_label("Micro instead of macro").check()
    row = page.locator('.leaderboard tbody[data-setting="with_title"] tr', has_text="<b>")
    expect(row).to_contain_text("13.00")


def test_gaps_of_all_kinds_are_shown(page: Page) -> None:
    headings = page.locator("#gap-tables h3").all_inner_texts()
    assert headings == [
        "With minus Without Title",
        "Seen minus unseen artworks",
        "Own minus another artwork’s picture",  # noqa: RUF001 - as it is printed
    ]


def test_many_contenders_are_compared_in_a_matrix(watched: Watched, tmp_path: Path) -> None:
    page = watched.open(write_page(tmp_path, crowded_report(12), []))
    page.locator("#metric").select_option("bleu")
    page.get_by_role("button", name="Seen", exact=True).click()
    expect(page.locator(".matrix").first.locator("tbody tr")).to_have_count(12)


def test_a_report_of_one_question_and_one_model_is_sensible(
    watched: Watched, tmp_path: Path
) -> None:
    page = watched.open(write_page(tmp_path, bare_report(), []))
    expect(page.locator(".verdict")).to_have_text("a_b%$#\\ reaches 50.00 EF1.")
    expect(page.locator("#comparisons")).to_contain_text("Nothing can be compared")
    assert page.locator("[data-view-link=questions]").count() == 0


def test_headings_stay_in_sight(page: Page) -> None:
    page.locator("#gaps").scroll_into_view_if_needed()
    for place in (".bar", ".controls"):
        box = page.locator(place).bounding_box()
        assert box is not None
        assert 0 <= box["y"] < 120


@pytest.mark.parametrize("is_dark", [False, True])
def test_text_stands_out_from_the_paper(
    chromium: Browser, report_file: Path, is_dark: bool
) -> None:
    with watched_page(chromium, is_dark=is_dark) as watched:
        page = watched.open(report_file)
        paper = _luminance(_style(page, "body", "backgroundColor"))
        assert (paper < 0.5) is is_dark
        for place in ("body", ".facts", ".note", "thead th", ".contents a"):
            ink = _luminance(_style(page, place, "color"))
            lighter, darker = max(paper, ink), min(paper, ink)
            assert (lighter + 0.05) / (darker + 0.05) >= AA, place
        assert watched.errors == []


def test_the_theme_can_be_changed_and_is_remembered(page: Page) -> None:
    assert _luminance(_style(page, "body", "backgroundColor")) > 0.5
    page.get_by_role("button", name="Dark").click()
    assert _luminance(_style(page, "body", "backgroundColor")) < 0.5
    page.reload()
    assert _luminance(_style(page, "body", "backgroundColor")) < 0.5


@pytest.mark.parametrize("size", [PHONE, (1280, 800), (1920, 1080)])
def test_nothing_is_wider_than_the_window(
    chromium: Browser, report_file: Path, size: tuple[int, int]
) -> None:
    with watched_page(chromium, size) as watched:
        page = watched.open(report_file)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        assert watched.errors == []


def test_every_control_has_a_name(page: Page) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("main:not([hidden]) :is(button, select, input, a)")]
        .filter((control) => !control.textContent.trim() && !control.ariaLabel)
        .filter((control) => !control.labels?.length)
        .map((control) => control.outerHTML)"""
    )
    assert nameless == []


def test_in_print_the_report_is_black_on_white_without_controls(
    chromium: Browser, report_file: Path
) -> None:
    with watched_page(chromium, is_dark=True) as watched:
        page = watched.open(report_file)
        page.emulate_media(media="print")
        expect(page.locator(".bar")).to_be_hidden()
        expect(page.locator(".leaderboard")).to_be_visible()
        assert _luminance(_style(page, "body", "color")) < 0.05
        assert page.pdf().startswith(b"%PDF")


def _style(page: Page, selector: str, name: str) -> str:
    found = page.locator(f"{selector}:visible").first.evaluate(
        "(element, name) => getComputedStyle(element)[name]", name
    )
    assert isinstance(found, str)
    return found


def _luminance(colour: str) -> float:
    """Relative luminance of an rgb() colour, as WCAG 2 defines it."""
    channels = [int(channel) / 255 for channel in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
