"""Creates ``.venv`` and installs a lock file into it, showing how far it is.

Runs on the system's Python before anything is installed, so it uses the standard library only::

    python3.11 deploy/install.py cpu     # everything that the local stack needs
    python3.11 deploy/install.py dev     # the same and the tools of `make check test`

torch is installed first, with its own dependencies: a CPU build brings none, and PyPI's CUDA
build brings CUDA's libraries, without which it cannot be imported. The rest is installed exactly
as locked.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import time
import venv
from collections.abc import Iterable
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
SHIM = PROJECT / "deploy" / "torchvision_shim"
LOG = VENV / "install.log"
_STEP = re.compile(r"^(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9._-]+)")


def fingerprint(lock: Path) -> str:
    """Names a state of the installation: the lock and what is built from the checkout."""
    # Building the shim leaves folders of setuptools beside its files.
    shim = sorted(path for path in SHIM.iterdir() if path.is_file())
    inputs = [lock, PROJECT / "pyproject.toml", Path(__file__), *shim]
    total = hashlib.sha256(sys.version.encode() + str(PROJECT).encode())
    for path in inputs:
        total.update(path.read_bytes())
    return total.hexdigest()


def show(text: str) -> None:
    """Shows a step: in place on a terminal, nothing elsewhere."""
    if sys.stdout.isatty():
        print(f"\r\x1b[2K{text}", end="", flush=True)


def pip(arguments: Iterable[str], title: str, total: int) -> None:
    """Runs pip in the virtual environment, counting the packages it names.

    Raises:
        SystemExit: pip failed; its last lines have been printed.
    """
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--progress-bar", "off"]
    started = time.monotonic()
    count = 0
    with (
        LOG.open("a", encoding="utf-8") as log,
        subprocess.Popen(
            [*command, "--disable-pip-version-check", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=PROJECT,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            step = _STEP.match(line)
            count += step is not None
            what = step[1] if step else ("unpacking" if line.startswith("Installing") else "")
            if what:
                seconds = time.monotonic() - started
                show(f"installing {title}: {min(count, total)}/{total} {what} ({seconds:.0f} s)")
    if process.returncode != 0:
        show("")
        print("".join(LOG.read_text(encoding="utf-8").splitlines(keepends=True)[-15:]), end="")
        raise SystemExit(f"installation failed; the whole log is {LOG.relative_to(PROJECT)}")


def torch_requirement(lock: Path) -> str:
    """Finds the lock's pin of torch.

    Raises:
        SystemExit: The lock has none.
    """
    for line in lock.read_text(encoding="utf-8").splitlines():
        if line.startswith("torch=="):
            return line
    raise SystemExit(f"{lock} does not pin torch")


def prepare_venv(engine: str) -> None:
    """Creates the virtual environment, unless a whole one is there.

    Args:
        engine: ``cpu`` or ``gpu``: which build of vLLM it is for.

    Raises:
        SystemExit: It holds the other build; both are the package ``vllm`` and exclude each other.
    """
    flavour = VENV / "engine"
    if flavour.exists():
        held = flavour.read_text()
        if held != engine:
            raise SystemExit(f".venv holds the {held} build of vLLM; `make clean` removes it")
        return
    # Whatever lies there was interrupted before it was whole.
    venv.create(VENV, with_pip=True, symlinks=True, clear=True)
    flavour.write_text(engine)


def main() -> int:
    """Installs, unless the environment is up to date already."""
    parser = argparse.ArgumentParser(description="Create .venv and install a lock file into it.")
    parser.add_argument("lock", choices=("cpu", "dev", "gpu"))
    lock = PROJECT / "deploy" / "locks" / f"{parser.parse_args().lock}.txt"
    if sys.version_info[:2] != (3, 11):
        raise SystemExit(f"Python 3.11 is needed, this is {sys.version.split()[0]}")
    stamp = VENV / f"installed-{lock.stem}"
    wanted = fingerprint(lock)
    if stamp.exists() and stamp.read_text() == wanted:
        return 0
    engine = "gpu" if lock.stem == "gpu" else "cpu"
    prepare_venv(engine)
    started = time.monotonic()
    print(f"installing deploy/locks/{lock.name} into .venv (a few minutes, about 3 GB)", flush=True)
    stamp.unlink(missing_ok=True)
    total = sum("==" in line for line in lock.read_text(encoding="utf-8").splitlines())
    pip(["--constraint", str(lock), torch_requirement(lock)], "torch", 15)
    pip(["--no-deps", "--requirement", str(lock)], "packages", total)
    pip(["--no-deps", "--no-build-isolation", "--editable", "."], "expart-serving", 1)
    if lock.stem != "gpu":
        pip(["--no-deps", "--no-build-isolation", str(SHIM)], "torchvision shim", 1)
    stamp.write_text(wanted)
    show("")
    print(f"installed in {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
