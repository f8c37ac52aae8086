"""What an earlier sweep's results say of pace and size."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.sweep.plan.rates import MeasuredRates, measure_rates
from services.sweep.progress.costs import ModelCost, costs_of
from services.sweep.results.rows import Table
from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.spec.spec import PricesSpec

# A longer silence between two scores is the end of one run and the beginning of another.
_PAUSE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class ModelPace:
    """How fast a model answered, over all its replicas together.

    Attributes:
        answers: Over how many answers this was measured.
        tokens_per_s: Tokens generated a second while at least one question was worked on; waiting
            for a model that was being loaded is left out.
        s_per_token: Seconds of a replica's work for each generated token of one answer, the
            prompt's included.
    """

    answers: int
    tokens_per_s: float
    s_per_token: float


@dataclass(frozen=True, slots=True)
class EarlierSweep:
    """What was measured in an earlier sweep's results.

    Attributes:
        place: Where they are.
        pace: Of each model, by label.
        tokens: Of each model, what prompts and answers took, by label.
        scored_per_s: Answers scored a second. At least that: where they came slowly, scoring
            waited for them. None where it cannot be told.
        bytes_per_answer: Size of the tables, an answer; None without answers.
    """

    place: str
    pace: dict[str, ModelPace]
    tokens: dict[str, MeasuredRates]
    scored_per_s: float | None
    bytes_per_answer: float | None


def measure(store: ResultStore) -> EarlierSweep:
    """Measures what is stored in a sweep's output, all shards together.

    Models with too few answers are left out.

    Raises:
        UserInputError: The results cannot be read.
    """
    tables = [store.tables(shard) for shard in store.shards()]
    tokens = measure_rates(tables)
    costs = costs_of(tables, PricesSpec())
    pace = {cost.label: _pace(cost) for cost in costs if cost.label in tokens and _is_timed(cost)}
    answers = sum(cost.questions for cost in costs)
    size = sum(one.size_bytes() for one in tables)
    return EarlierSweep(
        place=store.uri,
        pace=pace,
        tokens=tokens,
        scored_per_s=_rate([*_scoring_times(tables)]),
        bytes_per_answer=size / answers if answers else None,
    )


def _is_timed(cost: ModelCost) -> bool:
    return cost.worked_s > 0 and cost.model_s > 0 and cost.generated_tokens > 0


def _pace(cost: ModelCost) -> ModelPace:
    return ModelPace(
        answers=cost.questions,
        tokens_per_s=cost.generated_tokens / cost.worked_s,
        s_per_token=cost.model_s / cost.generated_tokens,
    )


def _scoring_times(tables: Iterable[ResultTables]) -> Iterable[npt.NDArray[np.int64]]:
    """When each answer was scored: its metrics were together, so one of them is looked at."""
    metric: str | None = None
    for one in tables:
        for batch in one.batches(Table.SCORES, ["metric", "scored_at"], coded=["metric"]):
            names = batch.column("metric").cast(pa.string())
            if metric is None and len(names):
                metric = names[0].as_py()
            rows = batch.filter(pc.equal(names, metric))
            yield rows.column("scored_at").cast(pa.int64()).to_numpy()


def _rate(times: Sequence[npt.NDArray[np.int64]]) -> float | None:
    """Events a second between pauses."""
    if not times:
        return None
    gaps = np.diff(np.sort(np.concatenate(times)))
    running = gaps[gaps <= _PAUSE_US]
    busy_us = int(running.sum())
    return len(running) * 1e6 / busy_us if busy_us else None
