"""How many tokens a model's answers took, and how fast they came: measured in stored results."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.sweep.results.rows import Table
from services.sweep.results.tables import ResultTables

# Fewer answers than these say little about the next thousand.
_FEWEST = 20

# A longer silence between two answers is the end of one run and the beginning of another.
_PAUSE_US = 60_000_000

_COLUMNS = [
    "model",
    "adapter",
    "prompt_token_count",
    "image_token_count",
    "generated_token_count",
    "generated_at",
]


@dataclass(frozen=True, slots=True)
class MeasuredRates:
    """What the stored answers of one model took.

    Attributes:
        answers: How many answers that is.
        text_tokens: Mean number of prompt tokens besides the picture's.
        image_tokens: Mean number of a picture's tokens, over the answers that were shown one.
        output_tokens: Mean number of generated tokens.
        questions_per_s: Answers a second while a driver ran, over all drivers; None if they all
            came at one moment.
    """

    answers: int
    text_tokens: float
    image_tokens: float | None
    output_tokens: float
    questions_per_s: float | None


@dataclass(slots=True)
class _Sums:
    answers: int = 0
    shown: int = 0
    prompt: int = 0
    image: int = 0
    output: int = 0
    times: list[npt.NDArray[np.int64]] = field(default_factory=list)


def measure_rates(shards: Iterable[ResultTables]) -> dict[str, MeasuredRates]:
    """Measures each model that has enough stored answers, by its label.

    Raises:
        UserInputError: A table cannot be read.
    """
    sums: dict[str, _Sums] = {}
    for shard in shards:
        for batch in shard.batches(Table.GENERATIONS, _COLUMNS):
            models = pc.binary_join_element_wise(
                batch.column("model").cast(pa.string()),
                batch.column("adapter").cast(pa.string()),
                "+",
            )
            for name in models.unique().to_pylist():
                rows = batch.filter(pc.equal(models, name))
                _add(sums.setdefault(name.removesuffix("+"), _Sums()), rows)
    return {label: _rates(total) for label, total in sums.items() if total.answers >= _FEWEST}


def _add(total: _Sums, rows: pa.RecordBatch) -> None:
    image = _numbers(rows, "image_token_count")
    total.answers += len(rows)
    total.shown += int(np.count_nonzero(image))
    total.image += int(image.sum())
    total.prompt += int(_numbers(rows, "prompt_token_count").sum())
    total.output += int(_numbers(rows, "generated_token_count").sum())
    total.times.append(rows.column("generated_at").cast(pa.int64()).to_numpy())


def _numbers(rows: pa.RecordBatch, name: str) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = rows.column(name).cast(pa.int64()).to_numpy()
    return found


def _rates(total: _Sums) -> MeasuredRates:
    gaps = np.diff(np.sort(np.concatenate(total.times)))
    running = gaps[gaps <= _PAUSE_US]
    busy_us = int(running.sum())
    return MeasuredRates(
        answers=total.answers,
        text_tokens=(total.prompt - total.image) / total.answers,
        image_tokens=total.image / total.shown if total.shown else None,
        output_tokens=total.output / total.answers,
        questions_per_s=len(running) * 1e6 / busy_us if busy_us else None,
    )
