"""A report's files are replaced together, or not at all."""

from pathlib import Path

import pytest

from services.core.errors import StorageError, UserInputError
from services.sweep.report.folder import COMPARISON_FILES, REPORT_FILES, replacing_files


def contents(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file.read_text(encoding="utf-8")
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_report_is_there_when_the_body_has_ended(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "report"
    with replacing_files(folder, REPORT_FILES) as report:
        report.write("report.html", "<p>")
        report.write("report_data/chunk/0.js", "0")
        assert not (folder / "report.html").exists()
    assert contents(folder) == {"report.html": "<p>", "report_data/chunk/0.js": "0"}
    assert names(folder) == ["report.html", "report_data"]


def test_what_the_new_report_lacks_goes_and_other_files_stay(tmp_path: Path) -> None:
    with replacing_files(tmp_path, REPORT_FILES) as report:
        for name in ("report.html", "entities.csv", "report_data/index.js", "report_data/1.js"):
            report.write(name, "old")
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with replacing_files(tmp_path, REPORT_FILES) as report:
        report.write("report.html", "new")
        report.write("report_data/index.js", "new")
    expected = {"report.html": "new", "report_data/index.js": "new", "notes.txt": "mine"}
    assert contents(tmp_path) == expected
    with replacing_files(tmp_path, REPORT_FILES) as report:
        report.write("report.html", "newer")
    assert contents(tmp_path) == {"report.html": "newer", "notes.txt": "mine"}
    assert not (tmp_path / "report_data").exists()


@pytest.mark.parametrize("fault", [KeyboardInterrupt, UserInputError("no")])
def test_a_report_that_is_not_finished_leaves_the_old_one(
    tmp_path: Path, fault: BaseException
) -> None:
    with replacing_files(tmp_path, REPORT_FILES) as report:
        report.write("report.html", "old")
    with (
        pytest.raises((KeyboardInterrupt, UserInputError)),
        replacing_files(tmp_path, REPORT_FILES) as report,
    ):
        report.write("report.html", "new")
        raise fault
    assert contents(tmp_path) == {"report.html": "old"}
    assert names(tmp_path) == ["report.html"]
    new = replacing_files(tmp_path / "new", REPORT_FILES)
    with pytest.raises((KeyboardInterrupt, UserInputError)), new as report:
        report.write("report.html", "new")
        raise fault
    assert names(tmp_path) == ["report.html"]


def test_a_folder_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", encoding="utf-8")
    with (
        pytest.raises(UserInputError, match="cannot be written") as said,
        replacing_files(tmp_path / "out" / "report", REPORT_FILES),
    ):
        pass
    assert str(tmp_path / "out") in said.value.message
    assert "\n" not in said.value.message


def test_a_full_disk_is_the_storage_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *arguments: object, **options: object) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", full)
    with (
        pytest.raises(StorageError, match="No space left on device"),
        replacing_files(tmp_path, REPORT_FILES) as report,
    ):
        report.write("report.html", "new")
    assert names(tmp_path) == []


def test_a_name_that_no_report_has_is_a_mistake(tmp_path: Path) -> None:
    with (
        replacing_files(tmp_path, REPORT_FILES) as report,
        pytest.raises(ValueError, match="no file notes"),
    ):
        report.write("notes.txt", "")


def test_a_comparison_leaves_the_report_beside_it(tmp_path: Path) -> None:
    with replacing_files(tmp_path, REPORT_FILES) as report:
        report.write("report.html", "page")
    with replacing_files(tmp_path, COMPARISON_FILES) as comparison:
        comparison.write("comparison.md", "table")
    assert contents(tmp_path) == {"report.html": "page", "comparison.md": "table"}
