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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.sweep.results.rows import Table
from services.sweep.results.store import ResultStore
from services.sweep.results.stored_columns import (
    Numbering,
    chunks,
    column_bytes,
    microseconds,
)
from services.sweep.results.tables import ResultTables
from services.sweep.spec.spec import ModelChoice, PriceSpec, PricesSpec

FILE_NAME = "costs.csv"
_MILLION = 1e6
_SECONDS_AN_HOUR = 3600.0
_THOUSAND = 1000.0

_NAMES = ("model", "adapter")
_NUMBERS = (
    "prompt_token_count", "generated_token_count", "prefill_s", "decode_s", "total_s", "elapsed_s",
    "gpu_count",
)  # fmt: skip
_COLUMNS = ("key", *_NAMES, *_NUMBERS, "generated_at")

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What one model's answers took; times in seconds, as the module says.

    ``money`` is nothing where the spec gives no price for the model. ``worked_s`` is the part of
    the busy seconds in which an answer was being worked on: nobody waited for the model to load.
    """

    label: str
    questions: int
    prompt_tokens: int
    generated_tokens: int
    model_s: float
    busy_s: float
    gpu_s: float
    money: float | None = None
    worked_s: float = 0.0

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
    answers = _read(tables)
    found = [
        _cost(label, answers.of_label(number), prices.models.get(label))
        for number, label in enumerate(answers.labels)
    ]
    return tuple(sorted(found, key=lambda cost: cost.label))


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


@dataclass(frozen=True, slots=True)
class _Answers:
    """What answers took, one row each; ``label`` is a place among ``labels``."""

    labels: tuple[str, ...]
    label: npt.NDArray[np.int32]
    ended_s: _Floats
    numbers: Mapping[str, _Floats]

    def __len__(self) -> int:
        return len(self.label)

    def at(self, rows: npt.NDArray[np.intp]) -> "_Answers":
        numbers = {name: column[rows] for name, column in self.numbers.items()}
        return _Answers(self.labels, self.label[rows], self.ended_s[rows], numbers)

    def of_label(self, number: int) -> "_Answers":
        return self.at(np.flatnonzero(self.label == number))


def _read(tables: Iterable[ResultTables]) -> _Answers:
    """Reads the answers, each key's first one alone."""
    labels = Numbering()
    keys: list[npt.NDArray[np.bytes_]] = [np.zeros(0, "S1")]
    parts = [_Answers((), np.zeros(0, np.int32), np.zeros(0), dict.fromkeys(_NUMBERS, np.zeros(0)))]
    for one in tables:
        for batch in chunks(one.batches(Table.GENERATIONS, _COLUMNS, coded=_NAMES)):
            keys.append(column_bytes(batch.column("key")))
            parts.append(_part(batch, labels))
    answers = _Answers(
        labels.values,
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.ended_s for part in parts]),
        {name: np.concatenate([part.numbers[name] for part in parts]) for name in _NUMBERS},
    )
    _, first = np.unique(np.concatenate(keys), return_index=True)
    return answers if len(first) == len(answers) else answers.at(np.sort(first))


def _part(batch: pa.RecordBatch, labels: Numbering) -> _Answers:
    model, adapter = (Numbering(), Numbering())
    codes = [
        names.number(batch.column(name)) for names, name in ((model, "model"), (adapter, "adapter"))
    ]
    pairs, inverse = np.unique(np.stack(codes), axis=1, return_inverse=True)
    named = [
        ModelChoice(model=model.values[first], adapter=adapter.values[second]).label
        for first, second in pairs.T.tolist()
    ]
    # Tables of an older version lack some columns' values.
    numbers = {
        name: np.nan_to_num(batch.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False))
        for name in _NUMBERS
    }
    return _Answers(
        (),
        labels.number(pa.array(named, pa.string()))[inverse.reshape(-1)],
        microseconds(batch.column("generated_at")) / _MILLION,
        numbers,
    )


def _cost(label: str, answers: _Answers, price: PriceSpec | None) -> ModelCost:
    took = answers.numbers
    busy = _busy_time(answers)
    model_s = took["prefill_s"] + took["decode_s"]
    gpu_s = float((busy * took["gpu_count"]).sum())
    prompt_tokens = int(took["prompt_token_count"].sum())
    generated_tokens = int(took["generated_token_count"].sum())
    return ModelCost(
        label=label,
        questions=len(answers),
        prompt_tokens=prompt_tokens,
        generated_tokens=generated_tokens,
        model_s=float(model_s.sum()),
        busy_s=float(busy.sum()),
        gpu_s=gpu_s,
        money=None
        if price is None
        else money_of(
            price, prompt_tokens=prompt_tokens, generated_tokens=generated_tokens, gpu_s=gpu_s
        ),
        worked_s=float(_covered(answers.ended_s, model_s).sum()),
    )


def _busy_time(answers: _Answers) -> _Floats:
    """For each answer the seconds that it was on its way and none that had begun before it was."""
    total_s = answers.numbers["total_s"]
    return _covered(answers.ended_s, np.where(total_s > 0, total_s, answers.numbers["elapsed_s"]))


def _covered(ends: _Floats, lasted: _Floats) -> _Floats:
    """For each of some spans the seconds in it that no span which began earlier covers."""
    starts = ends - lasted
    order = np.argsort(starts, kind="stable")
    reached = np.maximum.accumulate(ends[order])
    before = np.concatenate([[-np.inf], reached[:-1]])
    covered = np.zeros(len(ends))
    covered[order] = np.maximum(0.0, ends[order] - np.maximum(starts[order], before))
    return covered
