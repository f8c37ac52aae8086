"""A page in Chromium that remembers everything it complained about and asked for."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT_MS = 60_000
WIDE = (1600, 1000)


def installed_chromium() -> str | None:
    """Where Chromium is, if anywhere."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


@contextmanager
def running_chromium(executable: str) -> Iterator[Browser]:
    """Chromium without a window, until the end of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable)
        try:
            yield browser
        finally:
            browser.close()


@dataclass  # no slots: Playwright remembers bound listeners on their object
class Watched:
    """A page, and what came of it.

    Attributes:
        page: The page.
        errors: Errors in its console, and what its scripts threw.
        requests: What it asked for, but files beside it and what stands in it.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def note(self, message: ConsoleMessage) -> None:
        """Remembers what the console shows."""
        if message.type in {"error", "warning"}:
            self.errors.append(message.text)

    def ask(self, request: Request) -> None:
        """Remembers what is asked for."""
        if not request.url.startswith(("file:", "data:", "blob:")):
            self.requests.append(request.url)

    def open(self, file: Path, fragment: str = "") -> Page:
        """Opens a file from disk."""
        self.page.goto(f"{file.as_uri()}{fragment}")
        return self.page


@contextmanager
def watched_page(
    browser: Browser, size: tuple[int, int] = WIDE, *, is_dark: bool = False
) -> Iterator[Watched]:
    """A page without a network."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if is_dark else "light",
        offline=True,
    )
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    watched = Watched(page)
    page.on("console", watched.note)
    page.on("pageerror", lambda error: watched.errors.append(str(error)))
    page.on("request", watched.ask)
    try:
        yield watched
    finally:
        context.close()
