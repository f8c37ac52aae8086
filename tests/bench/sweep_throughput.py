"""Questions a second of one driver, with both services on the same machine."""

import os
import tempfile
from pathlib import Path

from tests.bench.scoring_service import say
from tests.bench.sweep_box import (
    NEW_TOKENS,
    Usage,
    model_names,
    run_drivers,
    services,
    sweep_command,
    write_spec,
)
from tests.bench.targets import Targets
from tests.integration.stored_results import count_rows
from tests.integration.sweep_dataset import write_dataset

TARGET_PER_S = 400
TARGET_MIB = 500
# From the third tenth of the time, when all is planned, to the last.
TARGET_GROWTH = 1.2


def throughput(
    questions: int, model_count: int, concurrency: int, targets: Targets, *, profile: bool
) -> None:
    """Prints the rate, the driver's memory, and who used the processors."""
    models = model_names(model_count)
    say(
        f"throughput: {questions} questions, {model_count} scripted models, {concurrency} in "
        f"flight each, {NEW_TOKENS} words an answer, {os.cpu_count()} processors"
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_dataset(folder / "dataset", questions // model_count)
        spec = write_spec(
            folder, models, folder / "dataset", concurrency=concurrency, tokens=NEW_TOKENS
        )
        with services(folder, models) as running:
            command = sweep_command(spec, running.generation, running.scoring)
            if profile:
                command[1:1] = ["-m", "cProfile", "-s", "tottime"]
            log = Path("sweep-profile.txt") if profile else folder / "driver.log"
            usage = run_drivers([command], log, running.pids)
            say_usage(usage, questions)
            targets.at_least("questions a second", questions / usage.took_s, TARGET_PER_S)
            targets.at_most("the driver's memory in MiB", usage.most_mib, TARGET_MIB)
            growth = usage.mib_at(1.0) / usage.mib_at(0.3)
            targets.at_most("growth of the driver's memory", growth, TARGET_GROWTH)
            stored = count_rows(folder / "results", "generations")
            assert stored == questions, f"{stored} explanations are stored"
            again = run_drivers([command], folder / "again.log", {})
        fixed_s, spent_s = again.processor_s["driver 1"], usage.processor_s["driver 1"]
        say(
            f"  run again, it found nothing to do in {again.took_s:.1f} s, with at most "
            f"{again.most_mib:.0f} MiB and {fixed_s:.1f} s of a processor; without that, the "
            f"driver took {(spent_s - fixed_s) / questions * 1e6:.0f} us a question"
        )


def say_usage(usage: Usage, questions: int) -> None:
    """Prints what a run cost."""
    rate = questions / usage.took_s
    say(f"  {rate:.0f} questions/s from begin to end, in {usage.took_s:.0f} s")
    for name, spent_s in usage.processor_s.items():
        say(
            f"    {name}: {spent_s / usage.took_s:.0%} of a processor, "
            f"{spent_s / questions * 1e6:.0f} us a question"
        )
    spent_s = sum(usage.processor_s.values())
    say(f"    all: {spent_s / questions * 1e6:.0f} us a question")
    if len(usage.driver_mib) > 1:
        course = ", ".join(f"{usage.mib_at(share / 10):.0f}" for share in range(1, 11))
        say(f"    driver's memory in MiB, at each tenth of the time: {course}")
        say(f"    at most {usage.most_mib:.0f} MiB")
