"""Takes a picture of a report: ``python -m tests.browser.screenshot REPORT PICTURE``."""

import argparse
from pathlib import Path

from tests.browser.browser_page import installed_chromium, running_chromium


def take_screenshot(report: Path, picture: Path, *, fragment: str = "", is_dark: bool) -> None:
    """Opens a report in Chromium and keeps what its first screen shows.

    Args:
        report: A ``report.html``.
        picture: Where the PNG goes.
        fragment: What is opened of it, such as ``#/questions``; its beginning by default.
        is_dark: Whether it is shown dark.

    Raises:
        SystemExit: There is no Chromium.
    """
    executable = installed_chromium()
    if executable is None:
        raise SystemExit("no Chromium is installed (apt-get install chromium)")
    with running_chromium(executable) as browser:
        page = browser.new_page(
            viewport={"width": 1360, "height": 850},
            device_scale_factor=2,
            color_scheme="dark" if is_dark else "light",
        )
        page.goto(f"{report.resolve().as_uri()}{fragment}")
        page.wait_for_load_state("networkidle")
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=picture)


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("picture", type=Path, nargs="?", default=Path("docs/report.png"))
    parser.add_argument("--fragment", default="", help="such as '#/questions'")
    parser.add_argument("--dark", action="store_true")
    arguments = parser.parse_args()
    take_screenshot(
        arguments.report, arguments.picture, fragment=arguments.fragment, is_dark=arguments.dark
    )


if __name__ == "__main__":
    main()
