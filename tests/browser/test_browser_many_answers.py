"""50,000 answers, in Chromium: none of them is in the document but those in sight."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from services.sweep.report.viewer.packing import Json, data_script
from tests.browser.browser_page import Watched
from tests.browser.report_pages import index_script, write_page
from tests.unit.sweep.report.sample_report import sample_report

pytestmark = pytest.mark.slow

CONTENDERS = tuple(f"model-{number}" for number in range(4))
QUESTIONS = 12_500
CHUNK = 25
METRICS = (
    "bleu", "rouge_1", "rouge_2", "rouge_l", "bertscore", "ef1", "ec_exact", "ec_partial",
    "ecooc_0", "ecooc_1", "ecooc_2", "ecooc_inf", "length",
)  # fmt: skip


@pytest.fixture(scope="module")
def large_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    places = range(QUESTIONS)
    questions: dict[str, Json] = {
        "name": [f"test_seen/{place // 2}/{_setting(place)}" for place in places],
        "question_id": [str(place // 2) for place in places],
        "title": [f"Painting {place // 2}" for place in places],
        "artwork": [f"Painting {place // 2}" for place in places],
        "section": ["History" for _ in places],
        "setting": [place % 2 for place in places],
        "part": [place // 2 % 2 for place in places],
        "chunk": [place // CHUNK for place in places],
        "offset": [place % CHUNK for place in places],
    }
    answers = [(place, contender, 0) for place in places for contender in range(len(CONTENDERS))]
    # Question q of contender c has the value (7 q + 11 c) modulo 100.
    values: dict[str, Json] = {
        metric: [float((7 * place + 11 * contender) % 100) for place, contender, _ in answers]
        for metric in METRICS
    }
    last = QUESTIONS // CHUNK - 1
    chunk = data_script(f"chunk/{last}", [_question(place) for place in range(CHUNK)])
    folder = tmp_path_factory.mktemp("large")
    index = index_script(questions, answers, values, CONTENDERS)
    return write_page(folder, sample_report(), [index, chunk], external=True)


def _setting(place: int) -> str:
    return ("with_title", "without_title")[place % 2]


def _question(place: int) -> Json:
    answers: list[Json] = [
        {
            "contender": contender,
            "replicate": 0,
            "spans": [[f"Answer {place} of model {contender}.", 0, -1]],
            "found": [],
            "failure": None,
            "metrics": {},
            "provenance": {},
        }
        for contender in range(len(CONTENDERS))
    ]
    return {
        "instruction": "Explain.",
        "reference": [["A reference.", 0, -1]],
        "entities": [],
        "image": None,
        "answers": answers,
    }


def _elements(page: Page) -> int:
    found = page.evaluate("document.querySelectorAll('#list *').length")
    assert isinstance(found, int)
    return found


def test_fifty_thousand_answers_are_searched_filtered_sorted_and_read(
    watched: Watched, large_report: Path
) -> None:
    page = watched.open(large_report, "#/questions")
    expect(page.locator("#found")).to_contain_text("12,500 questions, 50,000 answers")
    expect(page.locator(".questions tbody tr")).to_have_count(100)
    assert _elements(page) < 3000

    # 623, 1623, …, 5623 and 6230 to 6239: 16 hold it, in two settings each, by four contenders.
    page.get_by_label("Search", exact=True).fill("painting 623")
    expect(page.locator("#found")).to_contain_text("32 questions, 128 answers")
    page.get_by_role("button", name="Clear").click()

    # (7 q + 11 c) % 100 is 99 for exactly one q in a hundred, for each of four contenders.
    page.get_by_label("At least", exact=True).fill("99")
    expect(page.locator("#found")).to_contain_text("500 questions, 500 answers")
    page.get_by_role("button", name="Clear").click()

    page.get_by_label("Sort", exact=True).select_option("high")
    page.get_by_label("Contender", exact=True).select_option("model-0")
    expect(page.locator(".questions tbody tr").first.locator("td").last).to_have_text("99.00")
    page.get_by_role("button", name="Clear").click()

    page.get_by_role("button", name="Next page").click()
    expect(page.locator("#pages")).to_contain_text("2 / 125")

    watched.open(large_report, f"#/question/test_seen/{QUESTIONS // 2 - 1}/without_title")
    expect(page.locator(".answer")).to_have_count(4)
    expect(page.locator(".answer").first).to_contain_text(f"Answer {CHUNK - 1} of model 0.")
