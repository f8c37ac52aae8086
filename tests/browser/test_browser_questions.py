"""The questions and their answers, in Chromium."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.browser_page import Watched, watched_page
from tests.browser.report_pages import index_script, mini_page, write_page
from tests.unit.sweep.report.sample_report import sample_report

FIRST = "#/question/test_seen/0/History/with_title"


@pytest.fixture
def questions(watched: Watched, report_file: Path) -> Page:
    return watched.open(report_file, "#/questions")


def _titles(page: Page) -> list[str]:
    return page.locator(".questions tbody .what a").all_inner_texts()


def test_all_questions_are_listed_and_it_is_said_what_is_left_out(questions: Page) -> None:
    # 4 titles x 2 sections x 2 settings, two models each; the index says ten more are not shown.
    expect(questions.locator("#found")).to_have_text(
        "16 questions, 32 answers · this report shows 32 of 42 answers"
    )


def test_search_finds_words_in_any_order_without_case_or_accents(questions: Page) -> None:
    questions.get_by_label("Search", exact=True).fill("description CAFE")
    expect(questions.locator("#found")).to_contain_text("2 questions, 4 answers of 16 and 32")
    assert _titles(questions) == ["Café Terrace at Night"] * 2


def test_failed_answers_of_a_model_are_found(questions: Page) -> None:
    questions.get_by_label("Contender", exact=True).select_option("demo-tiny")
    questions.get_by_label("Answers", exact=True).select_option("failed")
    expect(questions.locator("#found")).to_contain_text("4 questions, 4 answers")
    assert set(_titles(questions)) == {"Guernica"}


def test_a_range_of_a_metric_finds_answers_within_it(questions: Page) -> None:
    # The value of question q by contender c is 10 q + c.
    questions.get_by_label("At least", exact=True).fill("50")
    questions.get_by_label("At most", exact=True).fill("60")
    expect(questions.locator("#found")).to_contain_text("2 questions, 3 answers")


def test_questions_are_sorted_by_a_metric(questions: Page) -> None:
    questions.get_by_label("Sort", exact=True).select_option("high")
    expect(questions.locator(".questions tbody .what a").first).to_have_text("Guernica")
    questions.get_by_label("Sort", exact=True).select_option("low")
    expect(questions.locator(".questions tbody .what a").first).to_have_text("Mona Lisa")


def test_a_contender_against_another_shows_the_difference(questions: Page) -> None:
    questions.get_by_label("Contender", exact=True).select_option("demo-tiny")
    questions.get_by_label("Against", exact=True).select_option("demo-smol")
    expect(questions.locator(".questions thead th").last).to_contain_text("Difference")
    expect(questions.locator(".questions tbody tr").first.locator("td").last).to_have_text("+1.00")


def test_filters_are_in_the_link(watched: Watched, report_file: Path) -> None:
    page = watched.open(report_file, "#/questions?setting=without_title&text=watch&sort=high")
    expect(page.locator("#found")).to_contain_text("2 questions")
    expect(page.get_by_label("Search", exact=True)).to_have_value("watch")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#found")).to_contain_text("16 questions")
    assert page.url.endswith("#/questions")


def test_nothing_found_is_said_with_a_way_out(questions: Page) -> None:
    questions.get_by_label("Search", exact=True).fill("no such artwork")
    expect(questions.locator(".empty")).to_contain_text("No question is like this")
    questions.get_by_role("button", name="Clear the filters").click()
    expect(questions.locator("#found")).to_contain_text("16 questions")


def test_a_link_opens_exactly_its_question(watched: Watched, report_file: Path) -> None:
    page = watched.open(report_file, FIRST)
    expect(page.locator("#question h1")).to_have_text("Mona Lisa")
    expect(page.locator("#question .facts")).to_contain_text("test_seen/0/History/with_title")
    expect(page.locator(".artwork img")).to_be_visible()
    expect(page.locator(".answer")).to_have_count(2)
    expect(page).to_have_title("Mona Lisa · Sample sweep")


def test_a_link_with_an_escaped_record_opens_it(watched: Watched, report_file: Path) -> None:
    page = watched.open(report_file, "#/question/test_seen/0%2FHistory/with_title")
    expect(page.locator("#question h1")).to_have_text("Mona Lisa")


def test_entities_are_highlighted_as_they_were_found(watched: Watched, report_file: Path) -> None:
    page = watched.open(report_file, FIRST)
    answer = page.locator(".answer").first
    # The Louvre is named twice; of Leonardo da Vinci only the first word is there.
    assert answer.locator("mark.exact").all_inner_texts() == [
        *("Mona Lisa", "Louvre", "Louvre", "Paris"),
    ]
    assert answer.locator("mark.part").all_inner_texts() == ["Leonardo"]
    assert page.locator(".reference mark.exact").count() == 6
    marks = page.locator(".entity-matrix tbody tr").filter(has_text="Florence").locator("td")
    assert marks.all_inner_texts() == ["○", "○"]


def test_an_entity_that_is_pointed_at_lights_up_everywhere(
    watched: Watched, report_file: Path
) -> None:
    page = watched.open(report_file, FIRST)
    page.locator(".entity-matrix tbody tr").filter(has_text="Louvre").hover()
    assert page.locator("mark.lit").all_inner_texts() == ["Louvre", "Louvre", "Louvre"]


def test_scores_say_why_there_is_none(watched: Watched, report_file: Path) -> None:
    page = watched.open(report_file, "#/question/test_seen/3/History/with_title")
    expect(page.locator(".answer .failure")).to_contain_text("DEADLINE_EXCEEDED")
    expect(page.locator(".scores-table")).to_contain_text("NO_TOKENS")


def test_provenance_is_at_hand(watched: Watched, report_file: Path) -> None:
    page = watched.open(report_file, FIRST)
    page.locator(".answer").first.get_by_text("Provenance").click()
    expect(page.locator(".answer").first).to_contain_text("scripted 1")


def test_a_picture_that_was_shown_instead_stands_with_the_answer(
    watched: Watched, report_file: Path
) -> None:
    page = watched.open(report_file, FIRST)
    expect(page.locator(".answer").nth(1).locator(".shown-picture img")).to_be_visible()
    assert page.locator(".answer").first.locator(".shown-picture").count() == 0


def test_the_other_setting_and_the_neighbours_are_a_click_away(
    watched: Watched, report_file: Path
) -> None:
    page = watched.open(report_file, FIRST)
    page.get_by_role("link", name="Without Title").click()
    expect(page.locator("#question .facts")).to_contain_text("without_title")
    page.get_by_role("link", name="Next").click()
    expect(page.locator("#question .facts")).to_contain_text("0/Description/with_title")
    page.get_by_role("link", name="All questions").click()
    expect(page.locator("#found")).to_contain_text("16 questions")


def test_a_question_that_is_not_there_is_said_to_be_missing(
    watched: Watched, report_file: Path
) -> None:
    page = watched.open(report_file, "#/question/test_seen/%E0%A4%A/with_title")
    expect(page.locator("#question")).to_contain_text("This question is not here")


def test_all_can_be_done_from_the_keyboard(watched: Watched, report_file: Path) -> None:
    page = watched.open(report_file)
    page.keyboard.press("/")
    expect(page.get_by_label("Search", exact=True)).to_be_focused()
    page.keyboard.type("j watch")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("watch")
    expect(page.locator("#found")).to_contain_text("4 questions")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(page.locator(".questions tr.current")).to_have_attribute("data-place", "1")
    page.keyboard.press("Enter")
    expect(page.locator("#question .facts")).to_contain_text("1/History/without_title")
    page.keyboard.press("s")
    expect(page.locator("#question .facts")).to_contain_text("1/History/with_title")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("#question .facts")).to_contain_text("1/Description/with_title")
    page.keyboard.press("Escape")
    expect(page.locator("#found")).to_contain_text("4 questions")
    page.keyboard.press("Escape")
    expect(page.locator("#report")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()


PRESSED_THRICE = """
key => {
    for (let times = 0; times < 3; times++)
        document.body.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
}
"""


def test_pages_are_turned_as_often_as_the_key_is_pressed_however_fast(
    watched: Watched, report_file: Path
) -> None:
    page = watched.open(report_file)
    page.keyboard.press("q")
    page.locator(".questions tr").nth(1).wait_for()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#question .facts")).to_be_visible()
    begun = page.locator("#question .facts code").text_content()
    names = [begun]
    for _ in range(3):  # one by one
        page.keyboard.press("j")
        expect(page.locator("#question .facts code")).not_to_have_text(names[-1] or "")
        names.append(page.locator("#question .facts code").text_content())
    assert len(set(names)) == 4
    for name, key in ((names[0], "k"), (names[3], "j")):
        # Before the browser draws anything.
        page.evaluate(PRESSED_THRICE, key)
        expect(page.locator("#question .facts code")).to_have_text(name or "")


def test_a_count_in_the_leaderboard_leads_to_its_answers(watched: Watched, tmp_path: Path) -> None:
    labels = [contender.label for contender in sample_report().contenders]
    questions = {
        "name": ["test_seen/1/with_title"], "question_id": ["1"], "title": ["A"], "artwork": ["A"],
        "section": [""], "setting": [0], "part": [0], "chunk": [0], "offset": [0],
    }  # fmt: skip
    index = index_script(questions, [(0, 0, 2), (0, 1, 0)], {"ef1": [None, 5.0]}, labels)
    page = watched.open(write_page(tmp_path, sample_report(), [index]))
    row = page.locator('.leaderboard tbody[data-setting="with_title"] tr').nth(1)
    row.locator("a[href*='status=failed']").click()
    expect(page.locator("#found")).to_contain_text("1 question, 1 answer")
    expect(page.get_by_label("Contender", exact=True)).to_have_value("0")


def test_answers_beside_the_page_are_read_when_they_are_asked_for(
    watched: Watched, tmp_path: Path
) -> None:
    page = watched.open(mini_page(tmp_path, external=True))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("report_data/")[2]))
    page.get_by_role("link", name="Questions").click()
    expect(page.locator("#found")).to_contain_text("16 questions")
    assert asked == ["index.js"]
    page.locator(".questions tbody .what a").first.click()
    expect(page.locator(".artwork img")).to_be_visible()
    assert sorted(asked) == ["chunk/0.js", "index.js", "pictures/0.js"]


def test_a_folder_that_was_left_behind_is_named(chromium: Browser, tmp_path: Path) -> None:
    file = mini_page(tmp_path, external=True)
    (tmp_path / "report_data").rename(tmp_path / "elsewhere")
    with watched_page(chromium) as watched:
        page = watched.open(file, "#/questions")
        expect(page.get_by_role("alert")).to_have_text(
            "report_data/index.js cannot be read: keep the folder beside this page"
        )


def test_an_open_question_is_printed_alone(watched: Watched, report_file: Path) -> None:
    page = watched.open(report_file, FIRST)
    page.emulate_media(media="print")
    expect(page.locator(".answer").first).to_be_visible()
    expect(page.locator(".question-nav")).to_be_hidden()
    expect(page.locator("#report")).to_be_hidden()
