"""How long a driver takes to find what is left of a sweep that is finished, and the memory.

``PYTHONPATH=. python tests/bench/sweep_resume.py [--questions N] [--models M]`` starts services
with scripted models, runs a part of a sweep, writes the rest of its results, and then runs the
commands that find nothing left to do.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, write_deltalake

from tests.bench.scoring_service import say
from tests.bench.sweep_box import (
    NEW_TOKENS,
    PROJECT,
    Services,
    model_names,
    run_drivers,
    services,
    sweep_command,
    write_spec,
)
from tests.bench.targets import Targets
from tests.integration.stored_results import count_rows
from tests.integration.sweep_dataset import write_dataset

TARGET_S = 10
# As many appends as a sweep of an hour may have left behind where nothing was compacted.
APPENDS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--questions", type=int, default=300_000, help="those of all models")
    parser.add_argument("--models", type=int, default=10, help="scripted models that share them")
    options = parser.parse_args()
    resume(options.questions, options.models, Targets())


def resume(questions: int, model_count: int, targets: Targets) -> None:
    """Prints how long planning takes with every question finished, and the memory it takes."""
    models = model_names(model_count)
    say(f"resume: {questions} finished questions of {model_count} models, in {APPENDS} appends")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_dataset(folder / "dataset", questions // model_count)
        spec = write_spec(folder, models, folder / "dataset", concurrency=16, tokens=NEW_TOKENS)
        output = folder / "results"
        with services(folder, models) as running:
            _begin(spec, output, running, folder / "begin.log")
            began = time.perf_counter()
            _finish(output)
            say(f"  (the rest was written in {time.perf_counter() - began:.0f} s)")
            assert count_rows(output, "generations") == questions
            plan = [sys.executable, "-m", "services.cli", "sweep", "plan", str(spec)]
            run = sweep_command(spec, running.generation, running.scoring)
            address = ["--generation", running.generation]
            for name, command in (
                ("expart sweep plan", [*plan, *address]),
                ("expart sweep run", run),
                ("expart sweep run, again", run),
            ):
                usage = run_drivers([command], folder / "resume.log", {})
                say(
                    f"  {name}: {usage.took_s:.1f} s, of processors "
                    f"{sum(usage.processor_s.values()):.1f} s, at most {usage.most_mib:.0f} MiB"
                )
                if command[:5] == plan:
                    targets.at_most("seconds to plan what is finished", usage.took_s, TARGET_S)
        assert count_rows(output, "generations") == questions


def _begin(spec: Path, output: Path, running: Services, log: Path) -> None:
    """Runs the sweep until it has stored its plan and some results, and stops it."""
    with log.open("ab") as printed:
        driver = subprocess.Popen(
            sweep_command(spec, running.generation, running.scoring),
            stdout=printed,
            stderr=printed,
            cwd=PROJECT,
        )
        while not count_rows(output, "scores"):
            assert driver.poll() is None, f"the driver ended; see {log}"
            time.sleep(0.5)
        driver.send_signal(signal.SIGTERM)
        driver.wait()


def _finish(output: Path) -> None:
    """Stores an explanation and scores, those of one question, for all that have none yet."""
    (folder,) = {log.parents[1] for log in output.rglob("plan/_delta_log")}
    plan = DeltaTable(str(folder / "plan")).to_pyarrow_table()
    explanations = DeltaTable(str(folder / "generations")).to_pyarrow_table()
    scores = DeltaTable(str(folder / "scores")).to_pyarrow_table()
    answered, scored = explanations.column("key"), scores.column("key").unique()
    unanswered = plan.filter(pc.invert(pc.is_in(plan.column("key"), answered)))
    unscored = plan.filter(pc.invert(pc.is_in(plan.column("key"), scored)))
    example = scores.column("key")[0]
    _append(folder / "generations", explanations.slice(0, 1), unanswered)
    _append(folder / "scores", scores.filter(pc.equal(scores.column("key"), example)), unscored)


def _append(table: Path, example: pa.Table, plan: pa.Table) -> None:
    """Appends the example's rows once for each planned question, with what the plan says of it."""
    shared = set(plan.schema.names) & set(example.schema.names)
    step = -(-len(plan) // APPENDS)
    for start in range(0, len(plan), step):
        part = plan.slice(start, step)
        of_plan = pa.array([at for at in range(len(part)) for _ in range(len(example))])
        of_example = pa.array(list(range(len(example))) * len(part))
        columns = {
            field.name: (
                part.column(field.name).take(of_plan).cast(field.type)
                if field.name in shared
                else example.column(field.name).take(of_example)
            )
            for field in example.schema
        }
        write_deltalake(str(table), pa.table(columns, schema=example.schema), mode="append")


if __name__ == "__main__":
    main()
