"""Answers that try to run, to break out or to spoil the page, in Chromium."""

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from services.sweep.report.viewer.packing import DataScript, Json, data_script
from tests.browser.browser_page import Watched, watched_page
from tests.browser.report_pages import index_script, mini_page, picture, write_page
from tests.unit.sweep.report.sample_report import sample_report

LONG_WORD = "A" * 1_000_000
ATTACKS = (
    "<script>window.attacked = 1</script>",
    "</script><script>window.attacked = 1</script>",
    "<img src=x onerror='window.attacked = 1'>",
    "<svg onload=window.attacked=1><style>*{display:none}</style>",
    "javascript:window.attacked=1",
    "[a](javascript:window.attacked=1)",
    "{{ 7 * 7 }}{% for x in y %}${7 * 7}<%= 7 * 7 %>",
    "]]>--><!--<noscript><textarea></title></style><base href=//example.org>",
    "&lt;b&gt; &#x3c;script&#x3e;",
    "\u202eright to left\u2066 isolated\u0000\u0007\u001b[31m bell\r\nnext",
    "Z\u0351\u036b\u0343" * 50 + "a" + "\u0301" * 400,
    "",
    " \n\n\t ",
)


def _scripts(texts: tuple[str, ...]) -> list[DataScript]:
    """Every text as title, section, record, entity, instruction, reference, answer and failure."""
    questions: dict[str, list[Json]] = {
        "name": [f"test_seen/{number}{text[:50]}/with_title" for number, text in enumerate(texts)],
        "question_id": [f"{number}{text[:50]}" for number, text in enumerate(texts)],
        "title": [text[:5000] for text in texts],
        "artwork": [text[:5000] for text in texts],
        "section": [text[:5000] for text in texts],
        "setting": [0 for _ in texts],
        "part": [0 for _ in texts],
        "chunk": [0 for _ in texts],
        "offset": list(range(len(texts))),
    }
    answers = [(question, contender, 0) for question in range(len(texts)) for contender in (0, 1)]
    values: dict[str, Json] = {"ef1": [None for _ in answers]}
    index = index_script(questions, answers, values, [ATTACKS[0], ATTACKS[2]])
    return [
        index,
        data_script("chunk/0", [_question(text) for text in texts]),
        data_script("pictures/0", ["javascript:window.attacked=1", picture("#000")]),
    ]


def _question(text: str) -> Json:
    answers: list[Json] = [
        {
            "contender": contender,
            "replicate": 0,
            "spans": [[text, 0, -1], [text[:100], 1, 0], [text[:100], 2, 0]],
            "found": [contender],
            "failure": text or None,
            "metrics": {"ef1": text},
            "provenance": {text[:100]: text},
        }
        for contender in (0, 1)
    ]
    return {
        "instruction": text,
        "reference": [[text, 0, -1]],
        "entities": [{"text": text, "tokens": 1}],
        "image": [0, 0],
        "answers": answers,
    }


@pytest.fixture(scope="module")
def hostile_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    report = sample_report()
    hostile = replace(
        report,
        title=ATTACKS[1],
        contenders=tuple(
            replace(contender, label=attack)
            for contender, attack in zip(report.contenders, ATTACKS, strict=False)
        ),
        sweeps=(replace(report.sweeps[0], notes=ATTACKS, attested={ATTACKS[0]: ATTACKS}),),
    )
    return write_page(tmp_path_factory.mktemp("hostile"), hostile, _scripts(ATTACKS))


def _is_sound(page: Page) -> None:
    assert page.evaluate("window.attacked") is None
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.locator("main:visible").count() == 1


def test_hostile_names_and_notes_are_shown_as_they_are(
    watched: Watched, hostile_file: Path
) -> None:
    page = watched.open(hostile_file)
    expect(page.locator("h1").first).to_have_text(ATTACKS[1])
    expect(page.locator(".notes li").first).to_have_text(ATTACKS[0])
    expect(page.locator(".notes li").nth(9)).to_contain_text("[U+202E]right to left[U+2066]")
    _is_sound(page)


def test_hostile_questions_are_listed_as_they_are(watched: Watched, hostile_file: Path) -> None:
    page = watched.open(hostile_file, "#/questions")
    expect(page.locator(".questions tbody .what a").first).to_have_text(ATTACKS[0])
    assert page.locator(".questions tbody tr").count() == len(ATTACKS)
    _is_sound(page)


def test_hostile_answers_neither_run_nor_break_the_page(
    watched: Watched, hostile_file: Path
) -> None:
    page = watched.open(hostile_file, "#/questions")
    page.locator(".questions tbody .what a").first.click()
    for number, attack in enumerate(ATTACKS):
        expect(page.locator("#question .question-nav")).to_contain_text(
            f"{number + 1} of {len(ATTACKS)}"
        )
        expect(page.locator(".answer")).to_have_count(2)
        expect(page.locator(".no-picture")).to_have_text("The picture cannot be shown")
        if attack.isascii() and attack.strip():
            expect(page.locator(".answer .explanation").first).to_contain_text(attack)
        _is_sound(page)
        page.keyboard.press("j")
    assert (
        page.locator("#question script, #question base, #question svg, #question style").count()
        == 0
    )


def test_a_word_of_a_megabyte_is_cut_and_can_be_read_whole(
    watched: Watched, tmp_path: Path
) -> None:
    file = write_page(tmp_path, sample_report(), _scripts((LONG_WORD,)))
    page = watched.open(file, "#/questions")
    _is_sound(page)
    page.locator(".questions tbody .what a").first.click()
    text = page.locator(".answer .explanation").first
    expect(text).to_contain_text("Show all 1,000,200 characters")
    _is_sound(page)
    text.get_by_role("button").click()
    assert text.evaluate("(element) => element.textContent.length") == 1_000_200
    _is_sound(page)


@pytest.mark.parametrize("external", [False, True])
def test_the_page_runs_no_script_but_its_own(
    chromium: Browser, tmp_path: Path, external: bool
) -> None:
    file = mini_page(tmp_path, external=external)
    evil = tmp_path / "report_data" / "evil.js"
    evil.parent.mkdir(exist_ok=True)
    evil.write_text("window.attacked = 1")
    injected = (
        "<script>window.attacked = 1</script><script src='report_data/evil.js'></script>"
        "<img src='data:,' onerror='window.attacked = 1'><b style='color: red'>red</b>"
        "<a id='trap' href='javascript:window.attacked = 1'>trap</a>"
    )
    text = file.read_text(encoding="utf-8")
    assert text.count('<main id="report"') == 1
    file.write_text(text.replace('<main id="report"', f'{injected}<main id="report"'), "utf-8")
    with watched_page(chromium) as watched:
        page = watched.open(file, "#/questions")
        expect(page.locator("#found")).to_contain_text("16 questions")
        page.locator("#trap").dispatch_event("click")
        expect(page.locator("#found")).to_contain_text("16 questions")
        assert page.evaluate("window.attacked") is None
        refused = [error for error in watched.errors if "Content Security Policy" in error]
        # Two scripts, a handler, a style and a link.
        assert len(refused) >= 5
        assert watched.requests == []


def test_markup_cannot_be_made_of_text_even_by_mistake(
    chromium: Browser, report_file: Path
) -> None:
    with watched_page(chromium) as watched:
        page = watched.open(report_file)
        refused = page.evaluate(
            """() => {
              try { document.body.innerHTML = "<b>text</b>"; return false; } catch { return true; }
            }"""
        )
        assert refused is True
