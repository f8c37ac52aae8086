"""Writes the lock files from pyproject.toml; ``--check`` says whether they are in step.

``cpu.txt`` is what a laptop needs to run everything, ``dev.txt`` adds the tools of ``make check
test``, and ``gpu.txt`` is for machines with NVIDIA GPUs. ``services.txt`` is for the scoring
service and the sweep driver alone, ``encoder.txt`` adds BERTScore's encoder. Pins that still
satisfy pyproject.toml are kept; ``--upgrade`` moves them.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LOCKS = Path(__file__).resolve().parent
PROJECT = LOCKS.parent.parent
EXTRAS = {
    "cpu": ("generation-cpu", "demo", "scoring", "tracing"),
    "dev": ("generation-cpu", "demo", "scoring", "tracing", "dev"),
    "gpu": ("generation-gpu", "scoring", "scoring-encoder", "tracing"),
    "services": ("scoring", "tracing"),
    "encoder": ("scoring", "scoring-encoder", "tracing"),
}
# Those that bring CUDA's libraries.
WITH_CUDA = ("gpu", "encoder")
# Those whose versions are the ones of cpu.txt, with which the tests run.
LIKE_CPU = ("dev", "services", "encoder")


def compile_lock(name: str, destination: Path, *, upgrade: bool) -> None:
    """Resolves one lock file into ``destination``, keeping the pins that are there already.

    Raises:
        SystemExit: The requirements cannot be met together; uv has printed why.
    """
    command = [
        *(str(Path(sys.executable).with_name("uv")), "pip", "compile", "--quiet", "pyproject.toml"),
        *("--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_28"),
        *("--no-header", "--no-annotate", "--output-file", str(destination)),
        *(argument for extra in EXTRAS[name] for argument in ("--extra", extra)),
    ]
    if name not in WITH_CUDA:
        command += ["--override", str(LOCKS / "overrides-cpu.txt")]
    if name in LIKE_CPU:
        command += ["--constraint", str(destination.with_name("cpu.txt"))]
    if upgrade:
        command.append("--upgrade")
    if subprocess.run(command, cwd=PROJECT, check=False).returncode != 0:
        raise SystemExit(f"deploy/locks/{name}.txt cannot be resolved")


def main() -> int:
    """Compiles every lock, in place or for comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, change nothing")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    options = parser.parse_args()
    stale = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if options.check else LOCKS
        for name in EXTRAS:
            if options.check:
                shutil.copy(LOCKS / f"{name}.txt", folder)
            compile_lock(name, folder / f"{name}.txt", upgrade=options.upgrade)
            if (folder / f"{name}.txt").read_text() != (LOCKS / f"{name}.txt").read_text():
                stale.append(f"deploy/locks/{name}.txt")
    if stale:
        print("out of step with pyproject.toml; run `make lock`:", *stale)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
