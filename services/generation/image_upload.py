"""Takes images that are uploaded ahead of the requests that name them."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.core.digests import PREFIX
from services.core.errors import (
    FieldViolation,
    InvalidRequestError,
    OverloadedError,
    ServiceError,
)
from services.core.return_times import ReturnTimes
from services.generation.domain import Image, ImageHeader, StoredImage
from services.generation.image_check import ImageChecker
from services.generation.image_store import ImageStore

# As the contract says; larger ones would hold up the event loop while they are hashed.
MAX_CHUNK_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What may be uploaded.

    Attributes:
        max_uploads: Uploads at a time.
        max_uploads_per_client: Uploads of one client at a time.
    """

    max_uploads: int
    max_uploads_per_client: int


class ImageUploads:
    """Puts uploaded images into a store.

    Args:
        store: Where they are kept.
        checker: Finds out whether they are pictures.
        limits: How many are taken at a time.
    """

    def __init__(self, store: ImageStore, checker: ImageChecker, limits: UploadLimits) -> None:
        self._store = store
        self._checker = checker
        self._limits = limits
        self._uploads: Counter[str] = Counter()
        self._return_times = ReturnTimes()
        self._outcomes = Counter({"stored": 0, "known": 0, "refused": 0})

    @property
    def outcomes(self) -> dict[str, int]:
        """How many uploads ended, and how: stored, known or refused."""
        return dict(self._outcomes)

    @property
    def running_count(self) -> int:
        """Uploads that have begun and not ended."""
        return self._uploads.total()

    async def receive(
        self, steps: AsyncIterator[ImageHeader | bytes], client: str = ""
    ) -> StoredImage:
        """Takes one image: its header, then its bytes in chunks.

        Raises:
            OverloadedError: Too many are being uploaded, or there is no room for this one.
            InvalidRequestError: The steps are no upload, or the bytes are not the announced ones.
            ImageInvalidError: It is no picture that models can see.
            ImageTooLargeError: It has too many pixels.
        """
        try:
            stored = await self._receive(steps, client)
        except ServiceError:
            self._outcomes["refused"] += 1
            raise
        self._outcomes["known" if stored.already_stored else "stored"] += 1
        return stored

    async def _receive(self, steps: AsyncIterator[ImageHeader | bytes], client: str) -> StoredImage:
        with self._admit(client):
            header = await anext(steps, None)
            if not isinstance(header, ImageHeader):
                raise _wrong("header", "must be the first step of an upload")
            known = await self._store.size_of(header.digest)
            if known is not None:
                return StoredImage(header.digest, known, already_stored=True)
            with self._store.reserve(header.size_bytes):
                image = Image(await _received(steps, header), header.digest)
                await self._checker.check(image)
            await self._store.put(image)
        return StoredImage(image.digest, len(image.data), already_stored=False)

    @contextmanager
    def _admit(self, client: str) -> Iterator[None]:
        limits = self._limits
        if self._uploads[client] >= limits.max_uploads_per_client:
            raise self._full(f"client {client} uploads", limits.max_uploads_per_client)
        if self.running_count >= limits.max_uploads:
            raise self._full("the clients upload", limits.max_uploads)
        if not self.running_count:
            self._return_times.note_busy()
        self._uploads[client] += 1
        try:
            yield
        finally:
            self._return_times.note_done()
            self._uploads[client] -= 1
            if not self._uploads[client]:
                del self._uploads[client]

    def _full(self, who: str, most: int) -> OverloadedError:
        retry_after_s = self._return_times.next_s()
        return OverloadedError(
            f"{who} {most} images at a time, as many as may be; try again in {retry_after_s:.3g} s",
            retry_after_s=retry_after_s,
            max_uploads=str(most),
        )


async def _received(steps: AsyncIterator[ImageHeader | bytes], header: ImageHeader) -> bytes:
    """Reads the chunks and finds out whether they are what the header announced."""
    data, digest = bytearray(), hashlib.sha256()
    async for step in steps:
        if isinstance(step, ImageHeader):
            raise _wrong("header", "must come only once, as the first step")
        if len(step) > MAX_CHUNK_BYTES:
            raise _wrong("chunk", f"must have at most {MAX_CHUNK_BYTES} bytes; got {len(step)}")
        if len(data) + len(step) > header.size_bytes:
            raise _wrong("header.size_bytes", f"is {header.size_bytes}, but more bytes came")
        data += step
        digest.update(step)
    if len(data) < header.size_bytes:
        raise _wrong("header.size_bytes", f"is {header.size_bytes}, but {len(data)} bytes came")
    found = PREFIX + digest.hexdigest()
    if found != header.digest:
        raise _wrong("header.digest", f"is {header.digest}, but the bytes have {found}")
    return bytes(data)


def _wrong(field: str, description: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{field} {description}", violations=(FieldViolation(field, description),)
    )
