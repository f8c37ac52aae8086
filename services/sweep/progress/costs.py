"""What a sweep's answers took: tokens, model time, GPU time, and money where prices are given.

Counted are the stored explanations, each key once; what failed attempts, loading models and idle
replicas took is not.

- *model seconds*: prefill and decoding of every answer, added up; answers that ran side by side in
  a batch count one by one, so it exceeds the time that passed.
- *busy seconds*: time during which at least one answer was on its way at the service, waiting
  included, from each answer's attested duration and the driver's clock at its end.
- *GPU-seconds*: busy seconds times the GPUs that a replica holds, as it attests. For a model with
  one replica that nobody else used this is the time that its GPUs were held by the sweep; with R
  replicas busy side by side it is too little by up to a factor of R, as answers do not say which
  replica gave them, and what other callers took is not taken off.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.sweep.results.rows import Table
from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.spec.spec import PriceSpec, PricesSpec

FILE_NAME = "costs.csv"
_MILLION = 1e6
_SECONDS_AN_HOUR = 3600.0
_THOUSAND = 1000.0

_COLUMNS = (
    "key", "model", "adapter", "prompt_token_count", "generated_token_count", "prefill_s",
    "decode_s", "total_s", "elapsed_s", "gpu_count", "generated_at",
)  # fmt: skip

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What one model's answers took; times in seconds, as the module says.

    ``money`` is nothing where the spec gives no price for the model.
    """

    label: str
    questions: int
    prompt_tokens: int
    generated_tokens: int
    model_s: float
    busy_s: float
    gpu_s: float
    money: float | None = None

    @property
    def money_per_thousand(self) -> float | None:
        """Money per 1,000 questions."""
        return None if self.money is None else self.money * _THOUSAND / self.questions


def stored_costs(store: ResultStore, prices: PricesSpec) -> tuple[ModelCost, ...]:
    """Adds up what is stored in an output, all shards together; a row a model, by label.

    Raises:
        UserInputError: The results cannot be read.
    """
    return costs_of([store.tables(shard) for shard in store.shards()], prices)


def costs_of(tables: Iterable[ResultTables], prices: PricesSpec) -> tuple[ModelCost, ...]:
    """Adds up what is stored in some shards' tables."""
    batches = [batch for one in tables for batch in one.batches(Table.GENERATIONS, _COLUMNS)]
    if not batches:
        return ()
    rows = _once(pa.Table.from_batches(batches))
    labels = _labels(rows)
    return tuple(
        _cost(label, rows.filter(pc.equal(labels, label)), prices.models.get(label))
        for label in sorted(pc.unique(labels).to_pylist())
    )


def costs_csv(costs: Sequence[ModelCost], currency: str) -> str:
    """Writes the costs as a table, a line a model."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            "model",
            "questions",
            "prompt_tokens",
            "generated_tokens",
            "model_s",
            "busy_s",
            "gpu_s",
            "prompt_tokens_per_1000",
            "generated_tokens_per_1000",
            "gpu_s_per_1000",
            "currency",
            "money",
            "money_per_1000",
        ]
    )
    for cost in costs:
        per = _THOUSAND / cost.questions
        has_price = cost.money is not None
        writer.writerow(
            [
                cost.label,
                cost.questions,
                cost.prompt_tokens,
                cost.generated_tokens,
                round(cost.model_s, 3),
                round(cost.busy_s, 3),
                round(cost.gpu_s, 3),
                round(cost.prompt_tokens * per, 1),
                round(cost.generated_tokens * per, 1),
                round(cost.gpu_s * per, 3),
                currency if has_price else "",
                cost.money if has_price else "",
                cost.money_per_thousand if has_price else "",
            ]
        )
    return text.getvalue()


def money_of(price: PriceSpec, *, prompt_tokens: int, generated_tokens: int, gpu_s: float) -> float:
    """What tokens and GPU time cost; what has no price costs nothing."""
    return (
        prompt_tokens * (price.input_per_million_tokens or 0.0) / _MILLION
        + generated_tokens * (price.output_per_million_tokens or 0.0) / _MILLION
        + gpu_s * (price.per_gpu_hour or 0.0) / _SECONDS_AN_HOUR
    )


def _once(rows: pa.Table) -> pa.Table:
    """The rows with each key's first one alone."""
    codes = rows["key"].combine_chunks().dictionary_encode().indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    return rows if len(first) == len(rows) else rows.take(pa.array(np.sort(first)))


def _labels(rows: pa.Table) -> pa.ChunkedArray:
    """Each row's model with its adapter, as tables name them."""
    model, adapter = rows["model"], rows["adapter"]
    return pc.if_else(
        pc.equal(adapter, ""), model, pc.binary_join_element_wise(model, adapter, "+")
    ).dictionary_encode()


def _cost(label: str, rows: pa.Table, price: PriceSpec | None) -> ModelCost:
    busy = _busy_time(rows)
    gpu_s = float((busy * _floats(rows, "gpu_count")).sum())
    prompt_tokens = int(_floats(rows, "prompt_token_count").sum())
    generated_tokens = int(_floats(rows, "generated_token_count").sum())
    return ModelCost(
        label=label,
        questions=len(rows),
        prompt_tokens=prompt_tokens,
        generated_tokens=generated_tokens,
        model_s=float((_floats(rows, "prefill_s") + _floats(rows, "decode_s")).sum()),
        busy_s=float(busy.sum()),
        gpu_s=gpu_s,
        money=None
        if price is None
        else money_of(
            price, prompt_tokens=prompt_tokens, generated_tokens=generated_tokens, gpu_s=gpu_s
        ),
    )


def _busy_time(rows: pa.Table) -> _Floats:
    """For each answer the seconds that it was on its way and none that had begun before it was."""
    ends = rows["generated_at"].cast(pa.int64()).to_numpy() / _MILLION
    total_s = _floats(rows, "total_s")
    starts = ends - np.where(total_s > 0, total_s, _floats(rows, "elapsed_s"))
    order = np.argsort(starts, kind="stable")
    reached = np.maximum.accumulate(ends[order])
    before = np.concatenate([[-np.inf], reached[:-1]])
    busy = np.zeros(len(rows))
    busy[order] = np.maximum(0.0, ends[order] - np.maximum(starts[order], before))
    return busy


def _floats(rows: pa.Table, column: str) -> _Floats:
    # Tables of an older version lack some columns' values.
    found: _Floats = np.nan_to_num(rows[column].cast(pa.float64()).to_numpy())
    return found
