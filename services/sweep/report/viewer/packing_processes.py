"""Packs chunks of questions, in processes of their own where there are many answers."""

import os
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import count
from multiprocessing import get_context

from services.core.errors import ExpArtError
from services.metrics.options import ScoringOptions
from services.sweep.report.viewer.packing import DataScript, ShownQuestion, chunk_script

# A process takes a second to start and a hundred megabytes.
_ANSWERS_WORTH_A_PROCESS = 5_000
_MOST_PROCESSES = 4
# Chunks for each process that are under way or wait to be taken.
_AHEAD = 2


def chunk_scripts(
    chunks: Iterable[Sequence[ShownQuestion]], options: ScoringOptions, *, answers: int
) -> Iterator[DataScript]:
    """Writes the scripts of chunks in their order, a bounded number at a time.

    Args:
        chunks: The questions of each chunk.
        options: The choices by which answers were scored.
        answers: How many answers there are in all, about.

    Raises:
        ExpArtError: A process ended.
    """
    processes = min(_MOST_PROCESSES, os.cpu_count() or 1, answers // _ANSWERS_WORTH_A_PROCESS)
    if processes <= 1:
        for number, questions in enumerate(chunks):
            yield chunk_script(number, questions, options)
        return
    # Forking would copy threads' locks; where there are threads, as of a store, that may hang.
    context = get_context("spawn")
    pool = ProcessPoolExecutor(processes, context)
    try:
        yield from _packed(pool, chunks, options, processes * _AHEAD)
    except BrokenProcessPool as error:
        raise ExpArtError(
            "a process that packs answers was ended from outside, perhaps for want of memory; "
            "show fewer of them"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _packed(
    pool: ProcessPoolExecutor,
    chunks: Iterable[Sequence[ShownQuestion]],
    options: ScoringOptions,
    ahead: int,
) -> Iterator[DataScript]:
    waiting: deque[Future[DataScript]] = deque()
    for number, questions in zip(count(), chunks, strict=False):
        with _interrupts_held():  # a process is started with the first jobs
            waiting.append(pool.submit(chunk_script, number, questions, options))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Has Ctrl-C wait; processes that are started meanwhile are never told of it.

    It is for the parent, which ends them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
