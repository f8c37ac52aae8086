"""How the rate grows with the number of drivers, which share the questions by artwork."""

import tempfile
from collections import Counter
from pathlib import Path

from tests.bench.scoring_service import say
from tests.bench.sweep_box import (
    NEW_TOKENS,
    model_names,
    run_drivers,
    services,
    sweep_command,
    write_spec,
)
from tests.bench.sweep_throughput import say_usage
from tests.integration.stored_results import rows_of
from tests.integration.sweep_dataset import write_dataset

COUNTS = (1, 2, 4)


def drivers(questions: int, model_count: int, concurrency: int) -> None:
    """Prints the rate and the costs with 1, 2 and 4 drivers of the same sweep."""
    models = model_names(model_count)
    say(f"drivers: {questions} questions, {model_count} scripted models, {concurrency} in flight")
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            write_dataset(folder / "dataset", questions // model_count)
            spec = write_spec(
                folder,
                models,
                folder / "dataset",
                concurrency=max(1, concurrency // count),
                tokens=NEW_TOKENS,
            )
            with services(folder, models) as running:
                shards = [
                    ("--shard-index", str(index), "--shard-count", str(count))
                    for index in range(count)
                ]
                commands = [
                    sweep_command(spec, running.generation, running.scoring, *shard)
                    for shard in shards
                ]
                say(f"  {count} drivers")
                say_usage(run_drivers(commands, folder / "driver.log", running.pids), questions)
            stored = Counter(
                row["key"] for row in rows_of(folder / "results", "generations", "key")
            )
            assert len(stored) == questions
            assert set(stored.values()) == {1}
