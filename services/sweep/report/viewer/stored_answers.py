"""Reads what is stored of the answers shown: texts, how they came about, why they failed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import cast

import numpy as np
import pyarrow as pa

from services.sweep.report.evidence import Evidence
from services.sweep.report.model import Contender
from services.sweep.results.rows import FinishReason, Table
from services.sweep.results.stored_columns import Indices, chunks, microseconds

_TEXTS = (
    "text",
    "instruction",
    "finish_reason",
    "engine",
    "engine_version",
    "dtype",
    "quantization",
    "sampling",
    "image_digest",
)
_NUMBERS = ("prompt_token_count", "image_token_count", "generated_token_count", "attempts")
_COLUMNS = (*_TEXTS, *_NUMBERS, "total_s", "generated_at")

_ENDED = {
    FinishReason.STOP.value: "by itself",
    FinishReason.LENGTH.value: "cut off by the token limit",
}


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What is stored of an answer besides its scores.

    Attributes:
        text: The explanation.
        instruction: What the model was sent.
        provenance: How it came about, by what people call it.
    """

    text: str
    instruction: str
    provenance: Mapping[str, str]


class StoredAnswers:
    """The explanations of chosen rows, held together in columns.

    Args:
        evidence: The results.
        rows: The rows, in the order in which they are asked for.

    Raises:
        UserInputError: A table cannot be read.
    """

    def __init__(self, evidence: Evidence, rows: Indices) -> None:
        place = np.full(len(evidence), -1, np.int64)
        place[rows] = np.arange(len(rows))
        found: list[Indices] = []
        batches: list[pa.RecordBatch] = []
        for answered, batch in evidence.answers(_COLUMNS):
            places = place[answered]
            chosen = np.flatnonzero(places >= 0)
            if len(chosen):
                found.append(places[chosen])
                batches.append(batch.take(pa.array(chosen)))
        self._held = _ordered(found, batches)
        is_there = np.zeros(len(rows), np.bool_)
        is_there[np.concatenate([*found, np.zeros(0, np.int64)])] = True
        # Where the explanation of each row would be among those that there are.
        self._before = np.concatenate([[0], np.cumsum(is_there)])

    def between(self, begin: int, end: int) -> list[StoredAnswer | None]:
        """What is stored of the rows from one place on to another; none where nothing is."""
        bounds = self._before[begin : end + 1].tolist()
        held = self._held.slice(bounds[0], bounds[-1] - bounds[0]).to_pylist()
        following = iter(held)
        return [
            _answer(next(following)) if after > before else None
            for before, after in pairwise(bounds)
        ]


def _ordered(found: Sequence[Indices], batches: Sequence[pa.RecordBatch]) -> pa.Table:
    if not batches:
        return pa.table({})
    # Texts of many answers may be longer together than a column of short ones can hold.
    table = pa.Table.from_batches(batches)
    long = [
        pa.field(field.name, pa.large_string()) if field.type == pa.string() else field
        for field in table.schema
    ]
    table = table.cast(pa.schema(long))
    return table.take(pa.array(np.argsort(np.concatenate(found)))).combine_chunks()


def _answer(row: Mapping[str, object]) -> StoredAnswer:
    texts = {name: cast("str", row[name]) for name in _TEXTS}
    numbers = {name: cast("int", row[name]) for name in _NUMBERS}
    generated_at = cast("datetime", row["generated_at"])
    of_picture = f", {numbers['image_token_count']} of them of the picture"
    provenance = {
        "Engine": f"{texts['engine']} {texts['engine_version']}".strip(),
        "Number format": texts["dtype"],
        "Quantisation": texts["quantization"],
        "Sampling": texts["sampling"],
        "Tokens of the prompt": (
            f"{numbers['prompt_token_count']}{of_picture * bool(numbers['image_token_count'])}"
        ),
        "Tokens generated": str(numbers["generated_token_count"]),
        "Ended": _ENDED.get(texts["finish_reason"], texts["finish_reason"]),
        "Time": f"{cast('float', row['total_s']):.2f} s",
        "Attempts": str(numbers["attempts"]),
        "Generated": f"{generated_at:%Y-%m-%d %H:%M:%S} UTC",
        "Picture": texts["image_digest"],
    }
    return StoredAnswer(texts["text"], texts["instruction"], provenance)


def provenance_of(contender: Contender) -> dict[str, str]:
    """How all the answers of a contender came about, by what people call it."""
    return {
        "Sweep": contender.sweep,
        "Model": contender.model,
        "Revision": contender.revision,
        "Prompt": contender.prompt,
        "Way of sampling": contender.sampling,
        "Control": contender.control.value,
    }


def failure_messages(evidence: Evidence, rows: Indices) -> dict[int, str]:
    """Why those of these rows failed that did: the reason, and the last message with it.

    Raises:
        UserInputError: A table cannot be read.
    """
    failed = np.sort(rows[evidence.is_failed[rows]])
    if not len(failed):
        return {}
    found = {row: evidence.failure(row) for row in failed.tolist()}
    last: dict[int, int] = {}
    said = dict(found)
    for row, reason, message, time in _failures(evidence, failed):
        if reason == found[row] and time >= last.get(row, 0):
            last[row] = time
            said[row] = f"{reason}: {message}" if message else reason
    return said


def _failures(evidence: Evidence, failed: Indices) -> Iterator[tuple[int, str, str, int]]:
    """Row, reason, message and time in microseconds of all the failures of these rows."""
    columns = ["key", "reason", "message", "failed_at"]
    for source, (begin, end) in zip(evidence.sources, pairwise(evidence.offsets), strict=True):
        is_wanted = np.zeros(end - begin, np.bool_)
        is_wanted[failed[(failed >= begin) & (failed < end)] - begin] = True
        if not is_wanted.any():
            continue
        for tables in source.tables:
            for batch in chunks(tables.batches(Table.FAILURES, columns)):
                places = source.plan.places.find(batch.column("key"))
                at = np.flatnonzero((places >= 0) & is_wanted[places])
                times = microseconds(batch.column("failed_at"))[at].tolist()
                reasons, messages = (
                    batch.column(name).take(pa.array(at)).to_pylist()
                    for name in ("reason", "message")
                )
                numbers = (begin + places[at]).tolist()
                yield from zip(numbers, reasons, messages, times, strict=True)
