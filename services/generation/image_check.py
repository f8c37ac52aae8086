"""Checks the images of requests in worker processes, each picture only once."""

import asyncio
from collections import OrderedDict

import structlog

from services.core.errors import InternalError
from services.core.sandbox.process import (
    CrashingRequestError,
    SandboxPool,
    SandboxProcess,
    SandboxStartError,
    TooMuchComputationError,
)
from services.generation.domain import Image
from services.generation.image_worker import Verdict
from services.generation.images import ImageLimits, check_bytes, check_size, invalid_image

_log = structlog.get_logger()

_WORKER = "services.generation.image_worker"
# A picture being decoded takes some bytes a pixel; two at a time keep the peak bounded.
_WORKERS = 2
# A sweep asks many questions about one picture; remembering what became of it takes 200 bytes.
_REMEMBERED_DIGESTS = 10_000


class ImageChecker:
    """Finds out whether a picture can be decoded, at a bounded price.

    Every picture is decoded in a worker process first. One that takes too much computation or
    memory, or crashes its decoder, costs that worker and nothing else. Workers are started when
    they are needed.

    Args:
        limits: What the service takes.
    """

    def __init__(self, limits: ImageLimits) -> None:
        self._limits = limits
        self._verdicts: OrderedDict[str, Verdict] = OrderedDict()
        bounds = (limits.max_bytes, limits.max_pixels, limits.max_aspect_ratio)
        self._workers = SandboxPool([SandboxProcess(_WORKER, *bounds) for _ in range(_WORKERS)])
        self._judging: set[asyncio.Task[Verdict]] = set()

    async def check(self, image: Image, narrower: ImageLimits | None = None) -> None:
        """Returns if the picture is whole and within the limits.

        Args:
            image: The picture.
            narrower: Limits that count besides the service's own, such as a model's.

        Raises:
            ImageTooLargeError: It exceeds a limit.
            ImageInvalidError: It is broken, of an unknown format or too long in shape, or takes
                more computation than any honest picture.
            InternalError: No worker process can be started.
        """
        verdict = self._known(image) or await self._judge(image)
        verdict.raise_refusal()
        if narrower is not None:
            check_bytes(image.data, narrower.max_bytes)
            check_size(verdict.width, verdict.height, narrower)

    async def close(self) -> None:
        """Ends the workers."""
        for task in self._judging:
            task.cancel()
        await asyncio.gather(*self._judging, return_exceptions=True)
        await self._workers.close()

    def _known(self, image: Image) -> Verdict | None:
        if (verdict := self._verdicts.get(image.digest)) is not None:
            self._verdicts.move_to_end(image.digest)
        return verdict

    async def _judge(self, image: Image) -> Verdict:
        worker = await self._workers.take()
        if known := self._known(image):  # judged for somebody else in the meantime
            self._workers.give_back(worker)
            return known
        # A worker that has begun is let finish: starting another would take longer.
        task = asyncio.ensure_future(self._use(worker, image))
        self._judging.add(task)
        task.add_done_callback(self._settle)
        return await asyncio.shield(task)

    def _settle(self, task: asyncio.Task[Verdict]) -> None:
        self._judging.discard(task)
        if not task.cancelled():
            task.exception()  # there may be nobody left to look at it

    async def _use(self, worker: SandboxProcess, image: Image) -> Verdict:
        try:
            verdict = await _verdict_of(worker, image.data)
        finally:
            self._workers.give_back(worker)
        self._verdicts[image.digest] = verdict
        while len(self._verdicts) > _REMEMBERED_DIGESTS:
            self._verdicts.popitem(last=False)
        return verdict


async def _verdict_of(worker: SandboxProcess, data: bytes) -> Verdict:
    """Has a picture decoded.

    Raises:
        InternalError: No worker process can be started.
    """

    def lost(exit_code: int | None) -> None:
        _log.warning("image_worker_lost", exit_code=exit_code, image_bytes=len(data))

    try:
        return await worker.ask(data, Verdict.from_json, lost)
    except TooMuchComputationError:
        return _refused("the image takes too much computation to be decoded")
    except CrashingRequestError:
        return _refused("the image is broken and crashes its decoder")
    except SandboxStartError as error:
        raise InternalError(
            f"an image worker ended with code {error.exit_code} as it started"
        ) from error


def _refused(message: str) -> Verdict:
    return Verdict.of(invalid_image(message))
