"""How long a report over the full benchmark takes, and the memory of all its processes.

    PYTHONPATH=. python tests/bench/report.py [--questions N] [--models M] [--folder FOLDER]

makes a finished sweep of 5,227 questions in two settings for 29 models, 303,166 answers, and runs
``expart report`` on it. It ends with exit code 1 when a target is missed; they are meant for 2
processors and the default numbers.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.bench.report_dataset import QUESTIONS, write_dataset
from tests.bench.report_sweep import finish_sweep
from tests.bench.scoring_service import say
from tests.bench.sweep_box import PROJECT
from tests.bench.targets import Targets

MODELS = 29
TARGET_S, TARGET_GB = 60, 2
_STEP_S = 0.2
_GB = 1e9
_MB = 1e6
# Of what a command that failed printed.
_SHOWN_CHARS = 4000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=QUESTIONS, help="each in two settings")
    parser.add_argument("--models", type=int, default=MODELS)
    parser.add_argument(
        "--folder", type=Path, help="make the sweep here and keep it, or take the one that is here"
    )
    parser.add_argument(
        "--no-targets", action="store_true", help="end well whatever was measured, as small runs do"
    )
    options = parser.parse_args()
    targets = Targets()
    with _folder(options.folder) as folder:
        output = _made(folder, options.questions, options.models)
        _measure(output, folder / "report", targets)
    if targets.missed and not options.no_targets:
        sys.exit("missed: " + "; ".join(targets.missed))


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        yield kept
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)


def _made(folder: Path, questions: int, models: int) -> Path:
    """The sweep's output; it is made unless it is there."""
    made = folder / f"{questions}-questions-of-{models}-models"
    output = made / "results"
    if not (made / "is-whole").exists():
        began = time.perf_counter()
        write_dataset(made / "dataset", questions)
        finish_sweep(made / "dataset", output, models)
        (made / "is-whole").touch()
        say(f"report: the sweep was made in {time.perf_counter() - began:.0f} s")
    return output


def _measure(output: Path, reported: Path, targets: Targets) -> None:
    command = [
        *(sys.executable, "-m", "services.cli", "report", str(output), "--out", str(reported))
    ]
    with tempfile.TemporaryFile() as printed:
        began = time.perf_counter()
        report = subprocess.Popen(command, stdout=printed, stderr=printed, cwd=PROJECT)
        try:
            most_bytes, most_processes = _watch(report)
        finally:
            report.kill()
            report.wait()
        took_s = time.perf_counter() - began
        if report.returncode:
            printed.seek(0)
            last = printed.read().decode(errors="replace")[-_SHOWN_CHARS:]
            raise RuntimeError(f"the report failed:\n{last}")
    say(f"report: {took_s:.1f} s, at most {most_bytes / _GB:.2f} GB in {most_processes} processes")
    for path in sorted(reported.iterdir()):
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        size = sum(file.stat().st_size for file in files)
        say(f"  {path.name}: {size / _MB:.1f} MB" + f" in {len(files)} files" * path.is_dir())
    targets.at_most("seconds to report", took_s, TARGET_S)
    targets.at_most("GB of memory to report", most_bytes / _GB, TARGET_GB)


def _watch(report: "subprocess.Popen[bytes]") -> tuple[int, int]:
    """Waits for its end; gives the most bytes that it and its children held, and their number."""
    most_bytes = most_processes = 0
    while True:
        held = list(_memory_of_tree(report.pid))
        most_bytes = max(most_bytes, sum(held))
        most_processes = max(most_processes, len(held))
        try:
            report.wait(_STEP_S)
        except subprocess.TimeoutExpired:
            continue
        return most_bytes, most_processes


def _memory_of_tree(pid: int) -> Iterator[int]:
    """Bytes that a process and all below it hold; what several share is shared out among them."""
    try:
        parent = psutil.Process(pid)
        processes = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return  # it has just ended
    for process in processes:
        try:
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="utf-8")
        except OSError:
            continue  # the same of this one
        _, has_sum, rest = rollup.partition("\nPss:")
        if has_sum:
            yield int(rest.split()[0]) * 1024


if __name__ == "__main__":
    main()
