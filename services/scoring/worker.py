"""A worker process: reads batches from standard input, writes answers to standard output.

It ends when its input ends, and so also when the service is killed and cannot tell it to.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO

from services.metrics import METRICS, ScoringInput, ScoringOptions, TextAnalysis, score_all
from services.scoring.task import (
    HEADER_BYTES,
    Answer,
    ScoringTask,
    WorkerFailure,
    decode_tasks,
    encode_answers,
    frame,
)

# One reference is scored against every model's explanation, often in a row.
_CACHED_REFERENCES = 256
_CACHED_REFERENCE_MAX_CHARS = 8_000

READY = b"ready"

Analyse = Callable[[str], TextAnalysis]


def main() -> None:
    """Runs the worker until its input ends."""
    # The service decides when work ends, not the terminal that both may share.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    answers_out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print must not break a frame
    analyse = functools.lru_cache(maxsize=_CACHED_REFERENCES)(TextAnalysis)
    _warm_up(analyse)
    try:
        _write(answers_out, READY)
        while (payload := _read(sys.stdin.buffer)) is not None:
            answers = [_score(task, analyse) for task in decode_tasks(payload)]
            _write(answers_out, encode_answers(answers))
    except BrokenPipeError:  # the service is gone
        os._exit(0)


def _warm_up(analyse: Analyse) -> None:
    text = "The Louvre is in Paris. It isn't far from St. Denis."
    metrics = tuple(name for name, metric in METRICS.items() if not metric.needs_encoder)
    _score(ScoringTask(text, text, ("Louvre", "Paris"), metrics, ScoringOptions()), analyse)


def _score(task: ScoringTask, analyse: Analyse) -> Answer:
    known = len(task.reference) <= _CACHED_REFERENCE_MAX_CHARS
    reference = analyse(task.reference) if known else TextAnalysis(task.reference)
    try:
        item = ScoringInput(task.candidate, reference, task.entities, task.options)
        return score_all(item, task.metrics)
    except Exception as error:  # noqa: BLE001 - one item's failure must not cost the others
        return WorkerFailure(f"{type(error).__name__}: {error}")


def _read(stream: BinaryIO) -> bytes | None:
    header = stream.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return None
    length = int.from_bytes(header, "big")
    payload = stream.read(length)
    return payload if len(payload) == length else None


def _write(stream: BinaryIO, payload: bytes) -> None:
    stream.write(frame(payload))
    stream.flush()


if __name__ == "__main__":
    main()
