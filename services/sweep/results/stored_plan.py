"""The present plan of an output, read from its tables into arrays: one row a planned question."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from services.core.errors import UserInputError
from services.sweep.results.manifest import latest, read_manifests
from services.sweep.results.rows import Table
from services.sweep.results.store import ResultStore
from services.sweep.results.stored_columns import (
    Coded,
    Codes,
    Indices,
    KeyPlaces,
    Numbering,
    numbers,
)
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import ModelChoice

# What is read of the plan besides keys: texts of which there are few distinct ones.
TEXTS = (
    "model",
    "adapter",
    "revision",
    "question",
    "question_id",
    "artwork",
    "title",
    "section",
    "setting",
    "split",
    "part",
    "image",
    "image_digest",
    "reference_digest",
    "prompt",
    "sampling_name",
    "control",
)
# What every reader needs of them: what labels models, and what scores are judged by.
_NEEDED = ("model", "adapter", "reference_digest")


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """The questions that are planned now, over all shards; the place of each is its row here.

    Attributes:
        places: Keys of the questions, and the place of each.
        columns: The plan's columns by name, as far as they hold texts and were asked for.
        model: Model and adapter as tables name them, one column.
        replicate: Number of the replicate.
        shard: For each question, the place of its shard's name among ``shard_names``.
        shard_names: Names of the shards that the present plan is made of.
        missing_shards: Names of those that have not been planned yet.
        stale_shards: Names of those that were planned from another spec, dataset or models than
            the one planned last.
        repeated: Keys that are planned more than once; only their first row is here.
    """

    places: KeyPlaces
    columns: Mapping[str, Coded]
    model: Coded
    replicate: Indices
    shard: Codes
    shard_names: tuple[str, ...]
    missing_shards: tuple[str, ...] = ()
    stale_shards: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many questions are planned."""
        return len(self.places)

    @property
    def keys(self) -> pa.StringArray:
        """Keys of the questions."""
        return self.places.keys

    def key(self, place: int) -> str:
        """The key of a question."""
        return str(self.places.keys[place])

    def text(self, column: str, place: int) -> str:
        """What a column says of a question; empty for nothing."""
        return self.columns[column].text(place)

    def question_name(self, place: int) -> str:
        """A question's name in its dataset; see :class:`services.benchmark.records.Question`."""
        split, record, setting = (self.text(n, place) for n in ("split", "question", "setting"))
        return f"{split}/{record}/{setting}"

    def describe(self, place: int) -> str:
        """Names a question to a model for people."""
        details = [self.model.text(place), self.question_name(place)]
        if (control := self.text("control", place)) != "none":
            details.append(control)
        details += [
            self.text(name, place)
            for name in ("prompt", "sampling_name")
            if len(self.columns[name].values) > 1
        ]
        if replicate := int(self.replicate[place]):
            details.append(f"replicate {replicate}")
        return f"{self.key(place)} ({', '.join(details)})"


class PlanReader:
    """Puts the plan together from the shards' tables.

    Args:
        output: Where the results are, for messages.
        texts: Which of :data:`TEXTS` to keep; by default all.
    """

    def __init__(self, output: str, texts: Collection[str] = TEXTS) -> None:
        self._output = output
        self._keys: list[pa.Array] = []
        self._replicates: list[Indices] = []
        self._shards: list[Codes] = []
        self._numberings = {name: Numbering() for name in TEXTS if name in texts or name in _NEEDED}
        self._codes: dict[str, list[Codes]] = {name: [] for name in self._numberings}
        self._names: list[str] = []

    @property
    def columns(self) -> list[str]:
        """The columns of the plan's table that it wants."""
        return ["key", "replicate", *self._numberings]

    def add(self, shard: str, batches: Iterable[pa.RecordBatch]) -> None:
        """Takes a shard's plan, with the columns that it wants."""
        self._names.append(shard)
        for batch in batches:
            if not batch.num_rows:
                continue
            self._keys.append(batch.column("key"))
            self._replicates.append(numbers(batch.column("replicate")))
            self._shards.append(np.full(batch.num_rows, len(self._names) - 1, np.int32))
            for name, numbering in self._numberings.items():
                self._codes[name].append(numbering.number(batch.column(name)))

    def result(
        self, missing_shards: tuple[str, ...] = (), stale_shards: tuple[str, ...] = ()
    ) -> StoredPlan:
        """The plan.

        Raises:
            UserInputError: Nothing is planned.
        """
        if not self._keys:
            raise UserInputError(
                f"{self._output}: there is no sweep here"
                + f" but in shards of an earlier plan, {', '.join(stale_shards)}: run them again"
                * bool(stale_shards)
            )
        keys = pa.chunked_array(self._keys).combine_chunks()
        first, repeated = _first_of_each(keys)
        columns = {
            name: Coded(numbering.values, np.concatenate(self._codes[name])[first])
            for name, numbering in self._numberings.items()
        }
        return StoredPlan(
            places=KeyPlaces(keys.take(pa.array(first))),
            columns=columns,
            model=_labels(columns["model"], columns["adapter"]),
            replicate=np.concatenate(self._replicates)[first],
            shard=np.concatenate(self._shards)[first],
            shard_names=tuple(self._names),
            missing_shards=missing_shards,
            stale_shards=stale_shards,
            repeated=repeated,
        )


def _first_of_each(keys: pa.Array) -> tuple[Indices, tuple[str, ...]]:
    """Rows of the keys' first occurrences, and the keys that occur again."""
    codes = numbers(keys.dictionary_encode().indices)
    _, first, counts = np.unique(codes, return_index=True, return_counts=True)
    twice = first[counts > 1]
    return first.astype(np.int64), tuple(keys.take(pa.array(twice)).to_pylist())


def _labels(model: Coded, adapter: Coded) -> Coded:
    """One column of model and adapter, as tables name them."""
    pairs = model.codes.astype(np.int64) * len(adapter.values) + adapter.codes
    distinct, first, inverse = np.unique(pairs, return_index=True, return_inverse=True)
    # In the order of the plan, which is that of the spec.
    order = np.argsort(first, kind="stable")
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    values = tuple(
        ModelChoice(
            model=model.values[int(pair) // len(adapter.values)],
            adapter=adapter.values[int(pair) % len(adapter.values)],
        ).label
        for pair in distinct[order]
    )
    return Coded(values, rank[inverse])


def read_stored_plan(
    store: ResultStore, *, with_stale: bool = True, texts: Collection[str] = TEXTS
) -> StoredPlan:
    """Reads the present plan: that of the shards among which the last planned one is counted.

    Args:
        store: The output.
        with_stale: Whether to read shards too that were planned from another spec, dataset or
            models than the one planned last.
        texts: Which columns of texts to keep; by default all, so that questions can be named.

    Raises:
        UserInputError: There is no sweep, or it cannot be read.
    """
    manifests = read_manifests(store)
    last = latest(manifests)
    if last is None:
        raise UserInputError(f"{store.uri}: there is no sweep here")
    begun = {one.shard: one for one in manifests if one.shards == last.shards}
    shards = [Shard(index, last.shards) for index in range(last.shards)]
    stale = tuple(
        shard.label
        for shard in shards
        if shard.index in begun and begun[shard.index].differences(last)
    )
    reader = PlanReader(store.uri, texts)
    for shard in shards:
        if shard.index in begun and (with_stale or shard.label not in stale):
            reader.add(shard.label, store.tables(shard).batches(Table.PLAN, reader.columns))
    missing = tuple(shard.label for shard in shards if shard.index not in begun)
    return reader.result(missing, stale)
