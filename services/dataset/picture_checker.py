"""Has downloaded files checked in worker processes, so that no picture can harm the command."""

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.core.errors import ExpArtError
from services.dataset.failures import PictureError, Reason
from services.dataset.picture_worker import read_verdict
from services.dataset.pictures import Picture

# A picture being decoded takes some bytes a pixel; two at a time keep the peak bounded.
_WORKERS = 2
# The kernel ends what computes too long; this is for a worker that was stopped from outside.
_STUCK_S = 120.0
# A worker ends when its input does, unless it is busy.
_END_S = 1.0
# A worker may have been killed for what its neighbours did; a second one decides.
_ATTEMPTS = 2


class PictureChecker:
    """Finds out whether files are whole pictures, at a bounded price.

    Workers are started when they are needed. One that takes too much computation or memory, or
    whose decoder crashes, is lost and nothing else.

    Args:
        max_bytes: Largest file.
        max_pixels: Most pixels.
    """

    def __init__(self, max_bytes: int, max_pixels: int) -> None:
        self._workers = [_Worker(max_bytes, max_pixels) for _ in range(_WORKERS)]
        # The one used last comes first: a second one is started when two are needed.
        self._idle: asyncio.LifoQueue[_Worker] = asyncio.LifoQueue()
        for worker in self._workers:
            self._idle.put_nowait(worker)

    async def check(self, file: Path) -> Picture:
        """Decodes a file once.

        Raises:
            PictureError: It is too large, broken, costs too much, or is no picture that the
                services take.
            OSError: It cannot be read.
        """
        worker = await self._idle.get()
        try:
            return await worker.check(file)
        finally:
            self._idle.put_nowait(worker)

    async def close(self) -> None:
        """Ends the workers."""
        for worker in self._workers:
            await worker.end()


@asynccontextmanager
async def picture_checker(max_bytes: int, max_pixels: int) -> AsyncIterator[PictureChecker]:
    """Gives a checker, and ends its workers afterwards."""
    checker = PictureChecker(max_bytes, max_pixels)
    try:
        yield checker
    finally:
        await checker.close()


class _LostError(Exception):
    """The worker ended, or answers nothing."""


class _Worker:
    """A worker process, started when there is something to check and again after it was lost."""

    def __init__(self, max_bytes: int, max_pixels: int) -> None:
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            f"from services.dataset.picture_worker import main; main({max_bytes}, {max_pixels})"
        )
        self._command = (sys.executable, "-W", "ignore", "-c", program)
        self._process: asyncio.subprocess.Process | None = None

    async def check(self, file: Path) -> Picture:
        for _ in range(_ATTEMPTS):
            process = self._process or await self._start()
            try:
                return read_verdict(await _ask(process, file))
            except (_LostError, ValueError):
                code = await self.end()
                if code == -signal.SIGPROF:
                    detail = "it takes too much computation to be decoded"
                    raise PictureError(Reason.TOO_COSTLY, detail) from None
            except asyncio.CancelledError:  # what it answers next would be about this file
                await self.end()
                raise
        raise PictureError(Reason.BROKEN_IMAGE, "it is broken and crashes its decoder")

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
            await _answer(self._process)
        except _LostError as error:
            code = await self.end()
            raise ExpArtError(
                f"a process that checks pictures ended with code {code} as it started"
            ) from error
        return self._process


async def _ask(process: asyncio.subprocess.Process, file: Path) -> bytes:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(str(file)).encode() + b"\n")
        await process.stdin.drain()
    except ConnectionError as error:
        raise _LostError from error
    return await _answer(process)


async def _answer(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_STUCK_S):
            line = await process.stdout.readline()
    except (ConnectionError, TimeoutError) as error:
        raise _LostError from error
    if not line.endswith(b"\n"):
        raise _LostError
    return line
