"""Checks the images of requests in worker processes, each picture only once."""

import asyncio
import contextlib
import signal
import sys
from collections import OrderedDict

import structlog

from services.core.errors import InternalError
from services.generation.domain import Image
from services.generation.image_worker import LENGTH_BYTES, Verdict
from services.generation.images import ImageLimits, check_bytes, check_size, invalid_image

_log = structlog.get_logger()

# A picture being decoded takes some bytes a pixel; two at a time keep the peak bounded.
_WORKERS = 2
# A sweep asks many questions about one picture; remembering what became of it takes 200 bytes.
_REMEMBERED_DIGESTS = 10_000
# The kernel ends what computes too long; this is for a worker that was stopped from outside.
_STUCK_S = 120.0
# A worker ends when its input does, unless it is busy.
_END_S = 1.0
# A worker may have been killed for what its neighbours did; a second one decides.
_ATTEMPTS = 2


class _WorkerLostError(Exception):
    """The worker ended, or answers nothing."""


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
        self._workers = [_Worker(limits) for _ in range(_WORKERS)]
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in self._workers:
            self._idle.put_nowait(worker)
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
        for worker in self._workers:
            await worker.end()

    def _known(self, image: Image) -> Verdict | None:
        if (verdict := self._verdicts.get(image.digest)) is not None:
            self._verdicts.move_to_end(image.digest)
        return verdict

    async def _judge(self, image: Image) -> Verdict:
        worker = await self._idle.get()
        if known := self._known(image):  # judged for somebody else in the meantime
            self._idle.put_nowait(worker)
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

    async def _use(self, worker: "_Worker", image: Image) -> Verdict:
        try:
            verdict = await worker.judge(image.data)
        finally:
            self._idle.put_nowait(worker)
        self._verdicts[image.digest] = verdict
        while len(self._verdicts) > _REMEMBERED_DIGESTS:
            self._verdicts.popitem(last=False)
        return verdict


class _Worker:
    """A worker process, started when there is something to judge and again after it was lost."""

    def __init__(self, limits: ImageLimits) -> None:
        # The path is handed over as it is: under Ray it does not come from the environment.
        bounds = (limits.max_bytes, limits.max_pixels, limits.max_aspect_ratio)
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            f"from services.generation.image_worker import main; main(*{bounds!r})"
        )
        self._command = (sys.executable, "-W", "ignore", "-c", program)
        self._process: asyncio.subprocess.Process | None = None

    async def judge(self, data: bytes) -> Verdict:
        """Has a picture decoded.

        Raises:
            InternalError: No worker process can be started.
        """
        for _ in range(_ATTEMPTS):
            process = self._process or await self._start()
            try:
                return await _ask(process, data)
            except _WorkerLostError:
                code = await self.end()
                _log.warning("image_worker_lost", exit_code=code, image_bytes=len(data))
                if code == -signal.SIGPROF:
                    return _refused("the image takes too much computation to be decoded")
            except BaseException:  # what it answers next would be about this picture
                await self.end()
                raise
        return _refused("the image is broken and crashes its decoder")

    async def end(self) -> int | None:
        """Ends the process and gives its exit code, negative for the signal that ended it."""
        process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None
        process.stdin.close()
        try:
            # One that is ending is not to be killed: asyncio would lose its exit code.
            async with asyncio.timeout(_END_S):
                return await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):  # it may have ended by itself just now
                process.kill()
            return await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,  # decoders complain about every broken file
        )
        try:
            await _receive(self._process)
        except _WorkerLostError as error:
            code = await self.end()
            raise InternalError(f"an image worker ended with code {code} as it started") from error
        except BaseException:
            await self.end()
            raise
        return self._process


async def _ask(process: asyncio.subprocess.Process, data: bytes) -> Verdict:
    assert process.stdin is not None
    try:
        process.stdin.write(len(data).to_bytes(LENGTH_BYTES, "big"))
        process.stdin.write(data)
        await process.stdin.drain()
        return Verdict.from_json(await _receive(process))
    except (ConnectionError, ValueError) as error:
        raise _WorkerLostError from error


async def _receive(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_STUCK_S):
            header = await process.stdout.readexactly(LENGTH_BYTES)
            return await process.stdout.readexactly(int.from_bytes(header, "big"))
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
        raise _WorkerLostError from error


def _refused(message: str) -> Verdict:
    return Verdict.of(invalid_image(message))
