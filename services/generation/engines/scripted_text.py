"""The scripted engine's words: a function of the request's content."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace

from services.generation.domain import EngineRequest, FinishReason

_VOCABULARY = (
    "abstract angle arc balance black blue bold calm canvas centre circle clear colour composition "
    "contrast cross curve depth diagonal edge field flat form geometric gold green grid harmony "
    "layer light line motion open order orange pale panel plane point pure quiet red rhythm round "
    "shape sharp square still strong surface tension tone triangle upright vertical warm white"
)
_WORDS = tuple(_VOCABULARY.split())


def content_of(model: str, request: EngineRequest) -> str:
    """Joins what an answer depends on: everything but the request's id, adapter and lane."""
    digest = request.image.digest if request.image is not None else ""
    # What only ends an answer leaves its words alone, as with a real model.
    sampling = replace(request.sampling, max_tokens=1, min_tokens=0, stop=())
    return "\0".join([model, digest, request.system_text, request.instruction, repr(sampling)])


def words(model: str, request: EngineRequest, count: int) -> Iterator[str]:
    """Yields that many words, each but the first after a space."""
    content = hashlib.sha256(f"{content_of(model, request)}\0".encode())
    for index in range(count):
        hashed = content.copy()
        hashed.update(b"%d" % index)
        word = hashed.digest()
        yield ("" if index == 0 else " ") + _WORDS[int.from_bytes(word[:4]) % len(_WORDS)]


def cut(pieces: list[str], stop: tuple[str, ...]) -> tuple[list[str], FinishReason]:
    """Drops what follows the first stop text, and that text itself."""
    text = "".join(pieces)
    end = min((at for mark in stop if (at := text.find(mark)) >= 0), default=None)
    if end is None:
        return pieces, FinishReason.LENGTH
    kept: list[str] = []
    for piece in pieces:
        if not (rest := text[:end][sum(map(len, kept)) :]):
            break
        kept.append(piece[: len(rest)])
    return kept, FinishReason.STOP
