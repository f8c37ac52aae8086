"""Makes small pictures for a report, in sandboxed processes, each picture only once."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from services.benchmark.images import PictureMissingError, PictureStore
from services.core.errors import ExpArtError
from services.core.sandbox.process import (
    CrashingRequestError,
    SandboxPool,
    SandboxProcess,
    SandboxStartError,
    TooMuchComputationError,
)
from services.sweep.report.viewer.thumbnail_worker import BROKEN, CHANGED, MADE, request_for
from services.sweep.spec.controls import MISSING

_WORKER = "services.sweep.report.viewer.thumbnail_worker"
# A picture being decoded takes some bytes a pixel; two at a time keep the peak bounded.
_WORKERS = 2
# Thumbnails that are held together.
_TOGETHER = 64

_ABSENT = b"absent"
_WORDS = {
    _ABSENT: "missing",
    BROKEN: "broken or too large",
    CHANGED: "changed since they were asked about",
}


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture that answers were given to.

    Attributes:
        image: Its path or URL, as records name it.
        digest: ``sha256:…`` of its bytes, or a marker where it was missing.
    """

    image: str
    digest: str


@dataclass(slots=True)
class PictureCount:
    """What became of the pictures.

    Attributes:
        made: Thumbnails that were made.
        left_out: The other pictures, by reason.
    """

    made: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def note(self) -> str:
        """Says what is left out, a sentence; empty where nothing is."""
        total = self.left_out.total()
        if not total:
            return ""
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(self.left_out.items()))
        return f"{total} of {total + self.made} pictures are left out: {reasons}."


def thumbnails(
    pictures: Iterable[ShownPicture], store: PictureStore, count: PictureCount
) -> Iterator[tuple[str, bytes]]:
    """Makes the pictures small that are there and can be decoded.

    Args:
        pictures: The pictures, each digest once.
        store: Where they are.
        count: What is made and left out is counted here.

    Yields:
        Digest and WebP, in the order of the pictures; those left out do not come.

    Raises:
        ExpArtError: No process can be started.
    """
    waiting = iter(pictures)
    with asyncio.Runner() as runner:
        pool = SandboxPool([SandboxProcess(_WORKER) for _ in range(_WORKERS)])
        try:
            while some := list(islice(waiting, _TOGETHER)):
                answers = runner.run(_make_all(some, store, pool))
                yield from _counted(some, answers, count)
        finally:
            runner.run(pool.close())


def _counted(
    pictures: Sequence[ShownPicture], answers: Sequence[bytes], count: PictureCount
) -> Iterator[tuple[str, bytes]]:
    for picture, answer in zip(pictures, answers, strict=True):
        if answer.startswith(MADE):
            count.made += 1
            yield picture.digest, answer.removeprefix(MADE)
        else:
            count.left_out[_WORDS[answer]] += 1


async def _make_all(
    pictures: Sequence[ShownPicture], store: PictureStore, pool: SandboxPool
) -> list[bytes]:
    return await asyncio.gather(*(_make(picture, store, pool) for picture in pictures))


async def _make(picture: ShownPicture, store: PictureStore, pool: SandboxPool) -> bytes:
    if picture.digest.startswith(MISSING):
        return _ABSENT
    try:
        file = store.find(picture.image)
    except PictureMissingError:
        return _ABSENT
    process = await pool.take()
    try:
        return await process.ask(request_for(str(file), picture.digest), _sensible)
    except (TooMuchComputationError, CrashingRequestError):
        return BROKEN
    except SandboxStartError as error:
        raise ExpArtError(
            f"a process that makes thumbnails ended with code {error.exit_code} as it started"
        ) from error
    finally:
        pool.give_back(process)


def _sensible(answer: bytes) -> bytes:
    if answer not in (BROKEN, CHANGED) and not answer.startswith(MADE):
        raise ValueError("a worker's answer makes no sense")
    return answer
