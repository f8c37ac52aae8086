"""Has downloaded files checked in sandboxed processes, so that no picture can harm the command."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from services.core.errors import ExpArtError
from services.core.sandbox.process import (
    CrashingRequestError,
    SandboxPool,
    SandboxProcess,
    SandboxStartError,
    TooMuchComputationError,
)
from services.dataset.failures import PictureError, Reason
from services.dataset.picture_worker import read_verdict
from services.dataset.pictures import Picture

_WORKER = "services.dataset.picture_worker"
# A picture being decoded takes some bytes a pixel; two at a time keep the peak bounded.
_WORKERS = 2


class PictureChecker:
    """Finds out whether files are whole pictures, at a bounded price.

    Workers are started when they are needed. One that takes too much computation or memory, or
    whose decoder crashes, is lost and nothing else.

    Args:
        max_bytes: Largest file.
        max_pixels: Most pixels.
    """

    def __init__(self, max_bytes: int, max_pixels: int) -> None:
        self._workers = SandboxPool(
            [SandboxProcess(_WORKER, max_bytes, max_pixels) for _ in range(_WORKERS)]
        )

    async def check(self, file: Path) -> Picture:
        """Decodes a file once.

        Raises:
            PictureError: It is too large, broken, costs too much, or is no picture that the
                services take.
            OSError: It cannot be read.
            ExpArtError: No worker can be started.
        """
        worker = await self._workers.take()
        try:
            return await worker.ask(os.fsencode(file), read_verdict)
        except TooMuchComputationError as error:
            detail = "it takes too much computation to be decoded"
            raise PictureError(Reason.TOO_COSTLY, detail) from error
        except CrashingRequestError as error:
            detail = "it is broken and crashes its decoder"
            raise PictureError(Reason.BROKEN_IMAGE, detail) from error
        except SandboxStartError as error:
            raise ExpArtError(
                f"a process that checks pictures ended with code {error.exit_code} as it started"
            ) from error
        finally:
            self._workers.give_back(worker)

    async def close(self) -> None:
        """Ends the workers."""
        await self._workers.close()


@asynccontextmanager
async def picture_checker(max_bytes: int, max_pixels: int) -> AsyncIterator[PictureChecker]:
    """Gives a checker, and ends its workers afterwards."""
    checker = PictureChecker(max_bytes, max_pixels)
    try:
        yield checker
    finally:
        await checker.close()
