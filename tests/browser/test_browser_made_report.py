"""A report that ``expart report`` made of a sweep's output, in Chromium."""

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from services.sweep.plan.plan import Job
from tests.browser.browser_page import Watched
from tests.expart_process import PROJECT
from tests.unit.sweep.report.reported_sweep import finish_sweep, truthful

pytestmark = pytest.mark.slow

HOSTILE = "</script><script>window.attacked = 1</script>"


def _answer(job: Job) -> str | None:
    if job.model.label == "beta":
        return f"{HOSTILE} {job.question.entities[0]}"
    return truthful(job)


@pytest.fixture(scope="module")
def made_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, two artworks of each split, each also asked with a wrong picture."""
    folder = tmp_path_factory.mktemp("made")
    finish_sweep(folder / "sweep", artworks=2, answer=_answer, controls=["none", "wrong_image"])
    # In a process of its own: Playwright's event loop runs in this one.
    command = [sys.executable, "-m", "services.cli", "report", str(folder / "sweep")]
    subprocess.run(
        [*command, "--resamples", "200", "--out", str(folder / "report")],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        timeout=300,
    )
    return folder / "report" / "report.html"


def _question(page: Page) -> Page:
    page.locator(".questions tbody .what a").first.click()
    expect(page.locator(".answer")).to_have_count(4)
    return page


def test_a_sweep_becomes_a_page_that_says_who_leads(watched: Watched, made_report: Path) -> None:
    page = watched.open(made_report)
    expect(page.locator("#panels .verdict").first).to_contain_text("alpha")
    expect(page.locator("#gap-tables")).to_contain_text("Own minus another artwork’s picture")  # noqa: RUF001
    assert page.locator("#charts svg:visible").count() > 5


def test_its_answers_are_shown_with_pictures_and_highlights(
    watched: Watched, made_report: Path
) -> None:
    page = _question(watched.open(made_report, "#/questions"))
    expect(page.locator(".artwork img")).to_be_visible()
    expect(page.locator(".shown-picture img")).to_have_count(2)
    expect(page.locator(".reference mark.exact").first).to_be_visible()
    beta = page.locator(".answer").filter(has=page.locator("h3", has_text="beta")).first
    expect(beta.locator(".explanation")).to_contain_text(HOSTILE)
    expect(beta.locator("mark.exact")).to_have_count(1)
    assert page.evaluate("window.attacked") is None


def test_its_scores_are_those_of_the_leaderboard(watched: Watched, made_report: Path) -> None:
    page = _question(watched.open(made_report, "#/questions"))
    metrics = page.locator(".scores-table tbody th").all_inner_texts()
    page.get_by_role("link", name="Report", exact=True).click()
    assert metrics == page.locator("#metric option").all_inner_texts()
