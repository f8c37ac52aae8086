"""The service's end of one worker process."""

import asyncio
import contextlib
import pickle
import sys
from collections.abc import Sequence

from services.scoring.task import (
    HEADER_BYTES,
    Answer,
    ScoringTask,
    decode_answers,
    encode_tasks,
    frame,
)
from services.scoring.worker import READY

_START_TIMEOUT_S = 60.0


class WorkerLostError(Exception):
    """The worker process ended, or answered nothing in time."""


class WorkerProcess:
    """A running, warm worker. Made by :meth:`start`.

    Batches are answered in the order in which they were sent, so that a second one may be sent
    while the first is being scored.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @classmethod
    async def start(cls) -> "WorkerProcess":
        """Starts a worker and waits until it is warm.

        Raises:
            WorkerLostError: It did not come up.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "services.scoring.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            process_group=0,  # a Ctrl-C in the terminal is for the service alone
        )
        worker = cls(process)
        try:
            ready = await worker._receive_frame(_START_TIMEOUT_S)
            assert ready == READY
        except BaseException:
            await worker.kill()
            raise
        return worker

    async def send(self, tasks: Sequence[ScoringTask]) -> None:
        """Hands over a batch.

        Raises:
            WorkerLostError: The worker is gone.
        """
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(frame(encode_tasks(tasks)))
            await stdin.drain()
        except (ConnectionError, RuntimeError) as error:  # closed by either side
            raise WorkerLostError(f"worker {self.pid} is gone") from error

    async def receive(self, tasks: Sequence[ScoringTask], timeout_s: float) -> list[Answer]:
        """Waits for the answers to the batch that was sent earliest.

        Raises:
            WorkerLostError: The worker is gone, or the time is up.
        """
        payload = await self._receive_frame(timeout_s)
        try:
            return decode_answers(payload, tasks)
        except (ValueError, TypeError, pickle.UnpicklingError) as error:
            raise WorkerLostError(f"worker {self.pid} answers what makes no sense") from error

    async def _receive_frame(self, timeout_s: float) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                header = await stdout.readexactly(HEADER_BYTES)
                return await stdout.readexactly(int.from_bytes(header, "big"))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise WorkerLostError(f"worker {self.pid} ended") from error
        except TimeoutError as error:
            raise WorkerLostError(
                f"worker {self.pid} answered nothing for {timeout_s:g} s"
            ) from error

    async def watch(self) -> None:
        """Waits for the worker's end.

        Raises:
            WorkerLostError: Always, at its end.
        """
        code = await self._process.wait()
        raise WorkerLostError(f"worker {self.pid} ended with code {code}")

    async def kill(self) -> None:
        """Ends the worker at once; it holds nothing that would be lost."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):  # it may end by itself just now
                self._process.kill()
        await self._process.wait()
