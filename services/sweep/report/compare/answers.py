"""What became of the answers to the same questions in two sweeps."""

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from services.benchmark.records import Setting
from services.sweep.report.compare.model import AnswerChanges
from services.sweep.report.evidence import Evidence
from services.sweep.results.stored_columns import Indices

Digests = npt.NDArray[np.uint64]

_DIGEST_BYTES = 8


def text_digests(evidence: Evidence) -> Digests:
    """A number for the text of every answer that is there, equal where texts are; otherwise 0.

    Raises:
        UserInputError: The results cannot be read.
    """
    found = np.zeros(len(evidence), np.uint64)
    for rows, batch in evidence.answers(["text"]):
        texts = batch.column("text").to_pylist()
        found[rows] = np.fromiter(map(_digest, texts), np.uint64, len(texts))
    return found


def answer_changes(
    evidence: Evidence, digests: Digests, contenders: tuple[int, int]
) -> Iterator[AnswerChanges]:
    """Compares the answers of two contenders.

    Args:
        evidence: The results.
        digests: Those of :func:`text_digests`.
        contenders: Places of the old and of the new contender.

    Yields:
        The changes for each setting in which both were asked something.
    """
    for setting in Setting:
        old, new = _same_answers(
            evidence, *(evidence.rows(contender, setting) for contender in contenders)
        )
        if not len(old):
            continue
        given = evidence.is_generated[old] & evidence.is_generated[new]
        was_scored, is_scored = evidence.is_scored[old], evidence.is_scored[new]
        was_failed, is_failed = evidence.is_failed[old], evidence.is_failed[new]
        yield AnswerChanges(
            setting=setting,
            planned=len(old),
            given=int(np.count_nonzero(given)),
            changed=int(np.count_nonzero(given & (digests[old] != digests[new]))),
            newly_failed=int(np.count_nonzero(was_scored & is_failed)),
            mended=int(np.count_nonzero(was_failed & is_scored)),
            pending=int(np.count_nonzero(was_scored & ~is_scored & ~is_failed)),
        )


def _same_answers(evidence: Evidence, old: Indices, new: Indices) -> tuple[Indices, Indices]:
    """Rows of the old and the new answer to each question, replicate by replicate."""
    count = int(evidence.replicate.max()) + 1
    old_names, new_names = (
        evidence.question[rows].astype(np.int64) * count + evidence.replicate[rows]
        for rows in (old, new)
    )
    _, in_old, in_new = np.intersect1d(
        old_names, new_names, assume_unique=True, return_indices=True
    )
    return old[in_old], new[in_new]


def _digest(text: str) -> int:
    # Texts come from files that may hold anything: what is no UTF-8 must not stop a comparison.
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=_DIGEST_BYTES).digest(), "little")
