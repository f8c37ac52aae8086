"""A worker process: reads batches from standard input, writes answers to standard output.

    python -m services.scoring.worker [--encoder SPEC]

With an encoder (an :class:`EncoderSpec` as JSON) it embeds the texts of several tasks together. It
ends when its input ends, and so also when the service is killed and cannot tell it to.
"""

import argparse
import contextlib
import functools
import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, BinaryIO

from services.core.errors import UserInputError
from services.core.heap import collect_garbage_rarely
from services.metrics import (
    METRICS,
    GeneratedEntitiesRule,
    ScoringInput,
    ScoringOptions,
    TextAnalysis,
    TextEncoder,
    prime,
)
from services.scoring.encoder_spec import EncoderSpec
from services.scoring.task import (
    HEADER_BYTES,
    Answer,
    Greeting,
    ScoringTask,
    WorkerFailure,
    decode_tasks,
    encode_answers,
    encode_greeting,
    frame,
    scores_to_pb,
)
from services.scoring.worker_report import EncoderWork, WorkerReport, WorkLog

if TYPE_CHECKING:
    from services.scoring.encoder import TransformersEncoder  # imports torch

# One reference is scored against every model's explanation, often in a row.
_CACHED_REFERENCES = 256
_CACHED_REFERENCE_MAX_CHARS = 8_000

# Answers are kept back for so long, to send several at once; none waits for a task that is large.
_HOLD_BACK_S = 0.01
_LARGE_TASK_BYTES = 16_384

# A token of English text, roughly: what the encoder computes at once is answered at once.
_TOKEN_BYTES = 4


class BatchScorer:
    """Scores the tasks of a batch, one after another.

    Args:
        encoder: Embeds texts for the metrics that need it.
        prime_bytes: How large the tasks are, together, whose texts it embeds at once.
        encoder_work: What the encoder notes of its work.
    """

    def __init__(
        self,
        encoder: TextEncoder | None = None,
        prime_bytes: int = sys.maxsize,
        encoder_work: EncoderWork | None = None,
    ) -> None:
        self._encoder = encoder
        self._prime_bytes = prime_bytes
        self._analyse = functools.lru_cache(maxsize=_CACHED_REFERENCES)(TextAnalysis)
        self._work = WorkLog(self._analyse.cache_info, encoder_work)

    def score(self, tasks: Sequence[ScoringTask]) -> Iterator[list[Answer]]:
        """Yields the answers in the order of the tasks, some at a time."""
        for part in _parts(tasks, self._prime_bytes):
            yield from self._score_part(part)

    def report(self) -> WorkerReport:
        """Tells of the work since the report before."""
        return self._work.take()

    def _score_part(self, tasks: Sequence[ScoringTask]) -> Iterator[list[Answer]]:
        items = [self._input(task) for task in tasks]
        if self._encoder is not None:
            # Which item is at fault, if one is, shows when they are scored.
            with contextlib.suppress(Exception):
                prime(item for item in items if isinstance(item, ScoringInput))
        ready: list[Answer] = []
        sent_at = time.monotonic()
        for task, item in zip(tasks, items, strict=True):
            is_due = time.monotonic() - sent_at > _HOLD_BACK_S
            if ready and (is_due or task.cost_bytes > _LARGE_TASK_BYTES):
                yield ready
                ready = []
                sent_at = time.monotonic()
            ready.append(self._answer(item, task.metrics))
        yield ready

    def _input(self, task: ScoringTask) -> ScoringInput | WorkerFailure:
        known = len(task.reference) <= _CACHED_REFERENCE_MAX_CHARS
        reference = self._analyse(task.reference) if known else TextAnalysis(task.reference)
        is_given = task.options.generated_entities is GeneratedEntitiesRule.GIVEN
        try:
            return ScoringInput(
                task.candidate,
                reference,
                task.entities,
                task.options,
                self._encoder,
                candidate_entities=task.candidate_entities if is_given else None,
            )
        except Exception as error:  # noqa: BLE001 - as below
            return _failure(error)

    def _answer(self, item: ScoringInput | WorkerFailure, metrics: Sequence[str]) -> Answer:
        if isinstance(item, WorkerFailure):
            return item
        try:
            return scores_to_pb(self._work.score(item, metrics))
        except Exception as error:  # noqa: BLE001 - one item's failure must not cost the others
            return _failure(error)


def _parts(tasks: Sequence[ScoringTask], most_bytes: int) -> Iterator[list[ScoringTask]]:
    part: list[ScoringTask] = []
    part_bytes = 0
    for task in tasks:
        if part and part_bytes + task.cost_bytes > most_bytes:
            yield part
            part, part_bytes = [], 0
        part.append(task)
        part_bytes += task.cost_bytes
    yield part


def _failure(error: Exception) -> WorkerFailure:
    return WorkerFailure(f"{type(error).__name__}: {error}")


_NICENESS = 4


def worker_command(encoder: EncoderSpec | None = None) -> tuple[str, ...]:
    """The command that runs a worker, with or without an encoder."""
    command = (sys.executable, "-m", "services.scoring.worker")
    return command if encoder is None else (*command, "--encoder", json.dumps(asdict(encoder)))


def main() -> None:
    """Runs the worker until its input ends."""
    # The service decides when work ends, not the terminal that both may share.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Where processors are short, calls are let in or refused first, and scored then.
    os.nice(_NICENESS)
    parser = argparse.ArgumentParser()
    parser.add_argument("--encoder")
    encoder_spec = parser.parse_args().encoder
    answers_out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print must not break a frame
    greeting, scorer = Greeting(), BatchScorer()
    if encoder_spec:
        spec = EncoderSpec(**json.loads(encoder_spec))
        try:
            encoder = _load(spec)
        except UserInputError as error:
            _write(answers_out, encode_greeting(Greeting(problem=error.message)))
            return
        greeting = Greeting(encoder=encoder.signature)
        scorer = BatchScorer(encoder, spec.batch_tokens * _TOKEN_BYTES, encoder.work)
    _warm_up(scorer, with_encoder=bool(encoder_spec))
    collect_garbage_rarely()
    try:
        _write(answers_out, encode_greeting(greeting))
        while (payload := _read(sys.stdin.buffer)) is not None:
            for answers in scorer.score(decode_tasks(payload)):
                _write(answers_out, encode_answers(answers, scorer.report()))
    except BrokenPipeError:  # the service is gone
        os._exit(0)


def _load(spec: EncoderSpec) -> "TransformersEncoder":
    from services.scoring.encoder import load_encoder  # noqa: PLC0415 - imports torch

    return load_encoder(spec)


def _warm_up(scorer: BatchScorer, *, with_encoder: bool) -> None:
    text = "The Louvre is in Paris. It isn't far from St. Denis."
    metrics = tuple(name for name, m in METRICS.items() if m.needs_encoder == with_encoder)
    task = ScoringTask(text, text, ("Louvre", "Paris"), metrics, ScoringOptions())
    list(scorer.score([task]))
    scorer.report()  # warming up is no work for anybody


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
