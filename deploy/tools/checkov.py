"""The environment of checkov, the policy linter: its dependencies contradict the project's.

``checkov.txt`` locks it, with digests. It is made by::

    echo checkov==VERSION | uv pip compile - --python-version 3.11 --no-header --no-annotate \
        --generate-hashes --output-file deploy/tools/checkov.txt
"""

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from deploy.tools.programs import TOOLS, ToolError
from deploy.tools.table import CHECKOV_VERSION

LOCK = Path(__file__).with_name("checkov.txt")
_STAMP = "installed.txt"


def find_checkov(folder: Path = TOOLS, lock: Path = LOCK) -> Path | None:
    """Finds checkov where it was installed, as whole as the lock has it."""
    place = _place(folder)
    stamp = place / _STAMP
    if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
        return None
    return place / "bin" / "checkov"


def install_checkov(folder: Path = TOOLS, lock: Path = LOCK) -> Path:
    """Installs checkov as locked, unless it is there.

    Args:
        folder: Where to keep it.
        lock: Requirements with digests; pip refuses other files.

    Raises:
        ToolError: pip cannot install it; its last line says why.
    """
    found = find_checkov(folder, lock)
    if found is not None:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    place = _place(folder)
    shutil.rmtree(place, ignore_errors=True)
    # Scripts name their interpreter by its path, so it is made where it stays, and what marks it as
    # whole comes last. This environment's pip serves: the new one needs none.
    venv.create(place, with_pip=False, symlinks=True)
    with tempfile.TemporaryFile("w+", dir=folder) as log:
        command = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python")]
        command += ["install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        command += ["--retries", "2"]  # as for programs
        command += ["--no-deps", "--require-hashes", "--requirement", str(lock)]
        if subprocess.run(command, stdout=log, stderr=log, check=False).returncode != 0:
            log.seek(0)
            why = (log.read().strip() or "pip failed").splitlines()[-1]
            shutil.rmtree(place, ignore_errors=True)
            raise ToolError(f"checkov {CHECKOV_VERSION} cannot be installed: {why}")
    (place / _STAMP).write_bytes(lock.read_bytes())
    return place / "bin" / "checkov"


def _place(folder: Path) -> Path:
    return folder / f"checkov-{CHECKOV_VERSION}"
