"""Checks the stored scores: that they belong to answers, are whole, and can be.

The rows that were computed together for one answer are a *scoring*: they have its key, reference,
signatures and time in common.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from services.metrics.registry import METRICS
from services.sweep.results.keys import signatures_digest
from services.sweep.results.rows import Table
from services.sweep.results.stored_columns import (
    Codes,
    Indices,
    KeyPlaces,
    Mask,
    Numbering,
    chunks,
    encoded,
    microseconds,
    numbers,
)
from services.sweep.results.stored_plan import StoredPlan
from services.sweep.results.stored_scores import CODED_SCORES
from services.sweep.results.tables import ResultTables
from services.sweep.review.verify_findings import Findings, Kind

_COLUMNS = (
    "key",
    "reference_digest",
    "signatures_digest",
    "scored_at",
    "metric",
    "signature",
    "value",
    "unscorable",
    "statistics",
)
_BITS = 64
_MOST_SIGNATURES = 2**31

_Tokens = npt.NDArray[np.uint64]


@dataclass(slots=True)
class _Scorings:
    """Scorings as columns: whose they are, and the sum of their rows' tokens."""

    place: Indices
    reference: Codes
    signatures: Codes
    scored_at: Indices
    tokens: _Tokens

    def joined(self) -> "_Scorings":
        """One row a scoring, however many it was read in; the latest of a place come last."""
        order = np.lexsort((self.signatures, self.reference, self.scored_at, self.place))
        is_first = np.ones(len(order), np.bool_)
        for column in (self.place, self.scored_at, self.reference, self.signatures):
            ordered = column[order]
            is_first[1:] &= ordered[1:] == ordered[:-1]
        is_first[1:] = ~is_first[1:]
        starts = np.flatnonzero(is_first)
        tokens = np.add.reduceat(self.tokens[order], starts) if len(starts) else self.tokens
        rows = order[starts]
        return _Scorings(
            self.place[rows],
            self.reference[rows],
            self.signatures[rows],
            self.scored_at[rows],
            tokens,
        )


class ScoreCheck:
    """Reads all scores, and checks them.

    Args:
        plan: The present plan.
        keys: Keys of all questions that are planned or answered, the planned ones first.
        has_answer: Which of these have a stored answer.
    """

    def __init__(self, plan: StoredPlan, keys: KeyPlaces, has_answer: Mask) -> None:
        self._plan = plan
        self._keys = keys
        self._has_answer = has_answer
        self._references = Numbering(plan.columns["reference_digest"].values)
        self._signatures = Numbering()
        self._pairs = Numbering()
        self._parts: list[_Scorings] = []
        self._early = Findings()
        # Any numbers will do that make sums of different sets differ.
        self._random = np.random.default_rng(0)
        self._tokens: _Tokens = np.zeros(0, np.uint64)

    def read(self, tables: ResultTables) -> None:
        """Takes the scores of a shard.

        Raises:
            UserInputError: They cannot be read.
        """
        for batch in chunks(tables.batches(Table.SCORES, _COLUMNS, coded=CODED_SCORES)):
            places = self._keys.find(batch.column("key"))
            self._check_answered(batch, places)
            self._check_values(batch)
            self._parts.append(self._scorings(batch, places).joined())

    def report(self, tables: Sequence[ResultTables], findings: Findings) -> None:
        """Says what is wrong with them; reading is over.

        Args:
            tables: The tables of all shards, to look examples up.
            findings: Takes it.
        """
        parts, self._parts = self._parts, []
        empty = np.zeros(0, np.int64)
        scorings = _Scorings(
            *(
                np.concatenate([empty.astype(kind), *(getattr(part, name) for part in parts)])
                for name, kind in (
                    ("place", np.int64),
                    ("reference", np.int32),
                    ("signatures", np.int32),
                    ("scored_at", np.int64),
                    ("tokens", np.uint64),
                )
            )
        ).joined()
        self._check_whole(scorings, tables, findings)
        self._note_last(scorings, findings)
        for one in self._early.result():
            findings.add(one.kind, one.count, one.examples)

    def is_scored(self, scoring_failed_at: Indices) -> Mask:
        """Which planned questions have an answer and scores against their present reference.

        Args:
            scoring_failed_at: When scoring failed for good: scores from before count no more.
        """
        found: Mask = (self._last > scoring_failed_at) & self._has_answer[: len(self._plan)]
        return found

    def _check_answered(self, batch: pa.RecordBatch, places: Indices) -> None:
        is_orphan = (places < 0) | ~self._has_answer[places]
        keys = batch.column("key").filter(pa.array(is_orphan))
        orphans = encoded(keys).dictionary_decode().unique().to_pylist()
        self._early.add(Kind.SCORED_WITHOUT_ANSWER, len(orphans), orphans)

    def _check_values(self, batch: pa.RecordBatch) -> None:
        metrics = Numbering()
        codes = metrics.number(batch.column("metric"))
        values = pc.fill_null(batch.column("value"), 0.0).to_numpy(zero_copy_only=False)
        has_value = batch.column("value").is_valid().to_numpy(zero_copy_only=False)
        has_reason = Numbering().number(batch.column("unscorable")) >= 0
        widths = np.diff(numbers(batch.column("statistics").offsets))
        known = [METRICS.get(name) for name in metrics.values]
        least = np.array([metric.min_value if metric else 0.0 for metric in known])
        most = np.array([metric.max_value if metric else -1.0 for metric in known])
        wanted = np.array([len(metric.statistic_names) if metric else -1 for metric in known])
        is_wrong = (
            (has_value == has_reason)
            | ~np.isfinite(values)
            | (has_value & ((values < least[codes]) | (values > most[codes])))
            | (widths != wanted[codes])
        )
        rows = np.flatnonzero(is_wrong)

        def described(row: int) -> str:
            found = {name: batch.column(name)[row].as_py() for name in ("key", "metric", "value")}
            reason = batch.column("unscorable")[row].as_py()
            return (
                f"{found['key']}: {found['metric']} is {found['value']}, unscorable is {reason}, "
                f"with {widths[row]} statistics"
            )

        self._early.add(Kind.SCORE_MALFORMED, len(rows), map(described, rows.tolist()))

    def _scorings(self, batch: pa.RecordBatch, places: Indices) -> _Scorings:
        metrics, signatures = Numbering(), Numbering()
        metric = metrics.number(batch.column("metric")).astype(np.int64)
        both = metric * _MOST_SIGNATURES + signatures.number(batch.column("signature"))
        distinct, inverse = np.unique(both, return_inverse=True)
        pairs = [
            f"{metrics.values[pair // _MOST_SIGNATURES]}\n"
            f"{signatures.values[pair % _MOST_SIGNATURES]}"
            for pair in distinct.tolist()
        ]
        codes = self._pairs.number(pa.array(pairs, pa.string()))[inverse]
        missing = len(self._pairs.values) - len(self._tokens)
        drawn = self._random.integers(1, 2**_BITS - 1, missing, np.uint64)
        self._tokens = np.concatenate([self._tokens, drawn])
        return _Scorings(
            place=places,
            reference=self._references.number(batch.column("reference_digest")),
            signatures=self._signatures.number(batch.column("signatures_digest")),
            scored_at=microseconds(batch.column("scored_at")),
            tokens=self._tokens[codes],
        )

    def _check_whole(
        self, scorings: _Scorings, tables: Sequence[ResultTables], findings: Findings
    ) -> None:
        """Compares what scorings hold with what they name; those that hold the same are alike."""
        alike = np.stack([scorings.signatures.astype(np.uint64), scorings.tokens], axis=1)
        _, first, inverse = np.unique(alike, axis=0, return_index=True, return_inverse=True)
        for number, row in enumerate(first.tolist()):
            if scorings.place[row] < 0:
                continue  # told of already, as scores without an answer
            held = _rows_of(scorings, row, self._keys, tables)
            named = self._signatures.values[int(scorings.signatures[row])]
            counts = Counter(metric for metric, _ in held)
            if max(counts.values(), default=1) > 1:
                kind = Kind.SCORED_TWICE
            elif signatures_digest(dict(held)) != named:
                kind = Kind.SCORED_IN_PART
            else:
                continue
            rows = np.flatnonzero(inverse == number)
            examples = (
                f"{self._keys.keys[place]}: {', '.join(sorted(counts.elements()))}"
                for place in scorings.place[rows].tolist()
            )
            findings.add(kind, len(rows), examples)

    def _note_last(self, scorings: _Scorings, findings: Findings) -> None:
        """Finds the scoring of each planned question that counts: its last one."""
        self._last = np.zeros(len(self._plan), np.int64)
        wanted = self._plan.columns["reference_digest"].codes
        is_planned = (scorings.place >= 0) & (scorings.place < len(self._plan))
        rows = np.flatnonzero(is_planned)
        is_present = scorings.reference[rows] == wanted[scorings.place[rows]]
        rows = rows[is_present]
        last = np.full(len(self._plan), -1, np.int64)
        last[scorings.place[rows]] = rows  # in the order of time: the latest is written last
        counting = last[last >= 0]
        self._last[last >= 0] = scorings.scored_at[counting]
        findings.add(Kind.SCORED_BEFORE, int(np.count_nonzero(is_planned)) - len(counting))
        if not len(counting):
            return
        newest = counting[np.argmax(scorings.scored_at[counting])]
        others = counting[scorings.signatures[counting] != scorings.signatures[newest]]
        examples = map(self._plan.describe, scorings.place[others].tolist())
        findings.add(Kind.SCORED_DIFFERENTLY, len(others), examples)


def _rows_of(
    scorings: _Scorings, row: int, keys: KeyPlaces, tables: Sequence[ResultTables]
) -> list[tuple[str, str]]:
    """Metrics and signatures of one scoring, from the tables."""
    where = pc.field("key") == keys.keys[int(scorings.place[row])].as_py()
    columns = ["metric", "signature", "scored_at"]
    return [
        (metric, signature)
        for each in tables
        for batch in each.batches(Table.SCORES, columns, where)
        for metric, signature, time in zip(
            batch.column("metric").to_pylist(),
            batch.column("signature").to_pylist(),
            microseconds(batch.column("scored_at")).tolist(),
            strict=True,
        )
        if time == scorings.scored_at[row]
    ]
