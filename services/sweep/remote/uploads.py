"""Brings every picture to a front once, so that questions name it by its digest."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

import asyncio
from copy import copy
from itertools import count
from typing import TYPE_CHECKING

from expart.generation.v1 import generation_service_pb2_grpc as generation_grpc
from services.benchmark.images import PictureMissingError, PictureStore
from services.core.digests import digest_of
from services.core.errors import DeadlineExceededError, InvalidRequestError
from services.rpc.call_span import calling
from services.rpc.generation_client.messages import upload_messages
from services.rpc.generation_client.pictures import Picture
from services.sweep.remote.rpc_faults import translated

if TYPE_CHECKING:
    from collections.abc import Coroutine

# The service takes a few at a time of one client, and the next artwork's can wait.
_MOST_AT_ONCE = 4
_PUT_IMAGE = "expart.generation.v1.GenerationService/PutImage"


class Pictures:
    """Reads pictures for all connections, and bounds how many are being sent.

    Args:
        store: The dataset's pictures.
    """

    def __init__(self, store: PictureStore) -> None:
        self._store = store
        self.sending = asyncio.Semaphore(_MOST_AT_ONCE)

    async def read(self, image: str, digest: str) -> bytes:
        """Reads a picture, which must be the one that was planned with.

        Raises:
            PictureMissingError: It is gone, or has another content by now.
        """
        return await asyncio.to_thread(self._read, image, digest)

    def _read(self, image: str, digest: str) -> bytes:
        data = self._store.read(image)
        if digest_of(data) != digest:
            raise PictureMissingError(f"picture {image} has changed since the sweep was planned")
        return data


class Uploads:
    """What the front at the end of one connection was given. Of one event loop.

    Questions about one artwork come together, often before its picture is there: the first brings
    it, and the others wait for that.

    Args:
        stub: Calls the front.
        pictures: Reads them.
    """

    def __init__(
        self, stub: generation_grpc.GenerationServiceAsyncStub, pictures: Pictures
    ) -> None:
        self._stub = stub
        self._pictures = pictures
        # Which upload it was that brought a picture.
        self._held: dict[str, int] = {}
        self._numbers = count(1)
        self._refused: dict[str, InvalidRequestError] = {}
        self._running: dict[str, asyncio.Task[int]] = {}

    def note_held(self, digest: str) -> None:
        """Notes that the front was given a picture with a question."""
        self._held[digest] = next(self._numbers)

    def note_missing(self, digest: str, number: int) -> None:
        """Notes that the front had a picture no longer.

        Args:
            digest: Names it.
            number: Which upload was relied on; there may have been another since.
        """
        if self._held.get(digest) == number:
            del self._held[digest]

    async def bring(self, image: str, digest: str, timeout_s: float) -> int:
        """Returns once the front holds the picture, as far as this client knows.

        Returns:
            Which upload it was that brought it.

        Raises:
            PictureMissingError: There is no such picture, or it has changed.
            ServiceError: The front does not take it, or not now.
        """
        if digest in self._held:
            return self._held[digest]
        if digest in self._refused:
            # A copy: each time that it is raised, an error grows by the places that it passes.
            raise copy(self._refused[digest])
        running = self._running.get(digest)
        if running is None:
            running = self._begin(digest, self._send(image, digest, timeout_s))
        # Whoever waits for it may be cancelled, and the others still need it.
        await asyncio.wait([running], timeout=timeout_s)
        if not running.done():
            raise DeadlineExceededError("the deadline passed while the picture was being sent")
        if running.cancelled():
            raise DeadlineExceededError("the picture's upload was ended")
        return running.result()

    async def close(self) -> None:
        """Ends the uploads that are under way."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _begin(self, digest: str, sending: Coroutine[None, None, int]) -> asyncio.Task[int]:
        task = asyncio.get_running_loop().create_task(sending)
        self._running[digest] = task
        task.add_done_callback(lambda ended: self._end(digest, ended))
        return task

    def _end(self, digest: str, ended: asyncio.Task[int]) -> None:
        self._running.pop(digest, None)
        if ended.cancelled():
            return
        error = ended.exception()
        if error is None:
            self._held[digest] = ended.result()
        elif isinstance(error, InvalidRequestError):
            self._refused[digest] = copy(error)  # the other questions about it need not try

    async def _send(self, image: str, digest: str, timeout_s: float) -> int:
        async with self._pictures.sending:
            data = await self._pictures.read(image, digest)
            steps = upload_messages(Picture(digest, data))
            with calling(_PUT_IMAGE), translated():
                await self._stub.PutImage(steps, timeout=timeout_s)
        return next(self._numbers)
