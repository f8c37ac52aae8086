"""Files that are read again when they change."""

import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.core.errors import UserInputError
from services.rpc.watched_files import WatchedFiles, read_file


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("one")
    return path


def watching(path: Path, clock: Clock) -> WatchedFiles[str]:
    def read() -> str:
        text = read_file(path, "setting").decode()
        if text.startswith("broken"):
            raise UserInputError("it is broken")
        return text

    return WatchedFiles([path], read, check_interval_s=1.0, clock=clock)


def replace(path: Path, text: str) -> None:
    """As editors and rotations do it: another file of that name."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def test_a_change_counts_at_the_next_look_and_not_before(file: Path) -> None:
    clock = Clock()
    held = watching(file, clock)
    replace(file, "two")
    clock.now = 0.9
    assert held.current() == "one"
    clock.now = 1.0
    assert held.current() == "two"


def test_what_did_not_change_is_not_read_again(file: Path) -> None:
    clock = Clock()
    held = watching(file, clock)
    first = held.current()
    clock.now = 10.0
    assert held.current() is first


def test_a_file_rewritten_in_place_counts_too(file: Path) -> None:
    clock = Clock()
    held = watching(file, clock)
    file.write_text("three")
    clock.now = 1.0
    assert held.current() == "three"


def test_a_link_that_leads_elsewhere_counts_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("two")
    link = tmp_path / "link"
    link.symlink_to("a")
    clock = Clock()
    held = watching(link, clock)
    (tmp_path / "new").symlink_to("b")
    (tmp_path / "new").replace(link)
    clock.now = 1.0
    assert held.current() == "two"


@pytest.mark.parametrize("broken", ["broken", None])
def test_a_broken_or_missing_file_leaves_the_old_content_and_is_said_once(
    file: Path, broken: str | None
) -> None:
    clock = Clock()
    held = watching(file, clock)
    with capture_logs() as logged:
        if broken is None:
            file.unlink()
        else:
            replace(file, broken)
        for _ in range(5):
            clock.now += 1.0
            assert held.current() == "one"
        replace(file, "mended")
        clock.now += 1.0
        assert held.current() == "mended"
    assert [event["event"] for event in logged] == ["files_not_reloaded", "files_reloaded"]
    cause = "it is broken" if broken else f"setting: cannot read {file}: No such file or directory"
    assert logged[0]["cause"] == cause


def test_what_is_wrong_is_said_again_every_minute_while_it_lasts(file: Path) -> None:
    clock = Clock()
    held = watching(file, clock)
    with capture_logs() as logged:
        replace(file, "broken")
        for _ in range(125):  # seconds: said at 1, 61 and 121
            clock.now += 1.0
            assert held.current() == "one"
        replace(file, "mended")
        for _ in range(125):
            clock.now += 1.0
            assert held.current() == "mended"
    said = ["files_not_reloaded"] * 3 + ["files_reloaded"]
    assert [event["event"] for event in logged] == said


def test_a_file_of_the_same_size_and_time_of_modification_counts_too(file: Path) -> None:
    clock = Clock()
    held = watching(file, clock)
    before = file.stat()
    while file.stat().st_ctime_ns == before.st_ctime_ns:  # clocks of files are coarse
        file.write_text("two")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)
    clock.now = 1.0
    assert held.current() == "two"


def test_a_file_that_is_replaced_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    pair = [tmp_path / "certificate", tmp_path / "key"]
    for path in pair:
        path.write_text("old")
    reads = 0

    def read() -> tuple[str, str]:
        nonlocal reads
        reads += 1
        certificate = pair[0].read_text()
        if reads == 1:  # a rotation comes in between
            for path in pair:
                replace(path, "new")
        return certificate, pair[1].read_text()

    assert WatchedFiles(pair, read).current() == ("new", "new")
    assert reads == 2


def test_a_broken_file_at_the_start_is_refused(file: Path) -> None:
    file.write_text("broken")
    with pytest.raises(UserInputError, match="it is broken"):
        watching(file, Clock())
