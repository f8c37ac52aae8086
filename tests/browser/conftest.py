"""Chromium for the tests of a file, and pages that may not complain."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.browser_page import (
    TIMEOUT_MS,
    Watched,
    installed_chromium,
    running_chromium,
    watched_page,
)
from tests.browser.report_pages import mini_page

# Other tests run beside these on a small machine.
expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Chromium; it ends with the file, as its event loop would be in the way of other tests'."""
    executable = installed_chromium()
    if executable is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    with running_chromium(executable) as browser:
        yield browser


@pytest.fixture
def watched(chromium: Browser) -> Iterator[Watched]:
    """A wide, light page; the test fails if its console shows an error or it asks the network."""
    with watched_page(chromium) as watched:
        yield watched
        assert watched.errors == []
        assert watched.requests == []


@pytest.fixture(scope="module")
def report_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample report with a few questions, all in one file."""
    return mini_page(tmp_path_factory.mktemp("report"))
