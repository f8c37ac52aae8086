"""The options that several of the sweep's commands have."""

from typing import Annotated

import typer

from services.sweep.run.settings import load_settings
from services.sweep.spec.sharding import Shard, choose_shard

ShardIndex = Annotated[
    int | None,
    typer.Option(
        help="Which shard of the questions is this driver's, from 0.",
        show_default="EXPART_SWEEP_SHARD_INDEX, or JOB_COMPLETION_INDEX",
    ),
]
ShardCount = Annotated[
    int | None,
    typer.Option(
        help="How many shards the questions are dealt into, by artwork.",
        show_default="EXPART_SWEEP_SHARD_COUNT, or 1",
    ),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="Serve Prometheus metrics on this port, under /metrics; 0 takes a free one.",
        show_default="none",
    ),
]


def chosen_shard(index: int | None, count: int | None) -> Shard:
    """Chooses the driver's shard: from the options, or else from the environment.

    Raises:
        UserInputError: There is no such shard, or only one of index and count is known.
    """
    settings = load_settings()
    return choose_shard(
        settings.shard_index if index is None else index,
        settings.shard_count if count is None else count,
        settings.completion_index,
    )
