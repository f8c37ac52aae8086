"""Checks the stored answers against the plan."""

import numpy as np
import pyarrow as pa

from services.sweep.results.rows import Table
from services.sweep.results.stored_columns import (
    Indices,
    KeyPlaces,
    Mask,
    Numbering,
    chunks,
    numbers,
)
from services.sweep.results.stored_plan import StoredPlan
from services.sweep.results.tables import ResultTables
from services.sweep.review.verify_findings import Findings, Kind
from services.sweep.spec.sharding import Shard

# What an answer says of itself and the plan says of its question. Names of prompts and samplings
# are not compared: they may be renamed, as they are no part of the key.
_COMPARED = (
    "model",
    "adapter",
    "revision",
    "question",
    "artwork",
    "setting",
    "split",
    "image_digest",
    "control",
)
_COLUMNS = ("key", "replicate", *_COMPARED)


class AnswerCheck:
    """Reads the keys and the descriptions of all answers, and compares them with the plan.

    Args:
        plan: The present plan.
    """

    def __init__(self, plan: StoredPlan) -> None:
        self._plan = plan
        self._keys: list[pa.Array] = []
        self._elsewhere = Findings()
        self._otherwise = Findings()

    def read(self, shard: Shard, tables: ResultTables) -> None:
        """Takes the answers of a shard.

        Raises:
            UserInputError: They cannot be read.
        """
        for batch in chunks(tables.batches(Table.GENERATIONS, _COLUMNS)):
            self._keys.append(batch.column("key"))
            self._compare(batch)
            self._locate(batch, shard)

    def report(self, findings: Findings) -> None:
        """Says what is wrong with them; reading is over."""
        planned = len(self._plan)
        answered = pa.concat_arrays([*self._keys, pa.array([], pa.string())])
        everything = pa.concat_arrays([self._plan.keys, answered]).unique()
        # Planned keys come first, and so keep their places.
        self.keys = KeyPlaces(everything)
        self._keys = []
        counts = np.bincount(self.keys.find(answered), minlength=len(everything))
        self.has_answer: Mask = counts > 0
        self.is_generated: Mask = self.has_answer[:planned]
        twice = np.flatnonzero(counts > 1)
        findings.add(Kind.GENERATED_TWICE, len(twice), map(self._named, twice.tolist()))
        others = np.flatnonzero(self.has_answer[planned:]) + planned
        findings.add(Kind.NOT_PLANNED, len(others), map(self._named, others.tolist()))
        for one in (*self._otherwise.result(), *self._elsewhere.result()):
            findings.add(one.kind, one.count, one.examples)

    def _named(self, place: int) -> str:
        if place < len(self._plan):
            return self._plan.describe(place)
        return str(self.keys.keys[place])

    def _compare(self, batch: pa.RecordBatch) -> None:
        places = self._plan.places.find(batch.column("key"))
        is_planned = places >= 0
        differs: dict[str, Mask] = {
            "replicate": numbers(batch.column("replicate")) != self._plan.replicate[places]
        }
        for name in _COMPARED:
            planned = self._plan.columns[name]
            found = Numbering(planned.values).number(batch.column(name))
            differs[name] = found != planned.codes[places]
        rows = np.flatnonzero(is_planned & np.logical_or.reduce(list(differs.values())))

        def described(row: int) -> str:
            place = int(places[row])
            name = next(name for name, mask in differs.items() if mask[row])
            wanted = (
                str(self._plan.replicate[place])
                if name == "replicate"
                else self._plan.text(name, place)
            )
            found = batch.column(name)[row].as_py()
            return f"{self._plan.describe(place)}: {name} is '{found}', planned is '{wanted}'"

        self._otherwise.add(Kind.GENERATED_OTHERWISE, len(rows), map(described, rows.tolist()))

    def _locate(self, batch: pa.RecordBatch, shard: Shard) -> None:
        if shard.count == 1:
            return
        artworks = Numbering()
        codes = artworks.number(batch.column("artwork"))
        is_held = np.array([shard.holds(artwork) for artwork in artworks.values], np.bool_)
        rows: Indices = np.flatnonzero(~is_held[codes])
        keys = batch.column("key")
        examples = (f"{keys[row]} in {shard.label}" for row in rows.tolist())
        self._elsewhere.add(Kind.GENERATED_ELSEWHERE, len(rows), examples)
