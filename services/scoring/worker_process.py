"""The service's end of one worker process."""

import asyncio
import contextlib
import pickle
from collections.abc import Callable, Sequence

from google.protobuf.message import DecodeError

from services.core.errors import UserInputError
from services.scoring.task import (
    HEADER_BYTES,
    Answer,
    ScoringTask,
    decode_answers_and_report,
    decode_greeting,
    encode_tasks,
    frame,
)
from services.scoring.worker_report import WorkerReport

# Takes what a worker tells of its work beside its answers.
TakeReport = Callable[[WorkerReport], None]

# Answers are read in chunks of about this many bytes.
_PIPE_BYTES = 2**20


def _tell_nobody(report: WorkerReport) -> None:
    del report


class WorkerLostError(Exception):
    """The worker process ended, or answered nothing in time."""


class WorkerProcess:
    """A running, warm worker. Made by :meth:`start`.

    Tasks are answered in the order in which they were sent, so that a second batch may be sent
    while the first is being scored.
    """

    def __init__(self, process: asyncio.subprocess.Process, take_report: TakeReport) -> None:
        self._process = process
        self._take_report = take_report
        self.encoder = ""
        """Signature of the encoder that the worker has loaded, if any."""

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @classmethod
    async def start(
        cls, command: Sequence[str], timeout_s: float, take_report: TakeReport = _tell_nobody
    ) -> "WorkerProcess":
        """Starts a worker and waits until it is warm.

        Args:
            command: What runs :mod:`services.scoring.worker`.
            timeout_s: How long it may take.
            take_report: Told of the worker's work, along with its answers.

        Raises:
            WorkerLostError: It did not come up.
            UserInputError: It cannot load what it was told to.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=_PIPE_BYTES,
            process_group=0,  # a Ctrl-C in the terminal is for the service alone
        )
        worker = cls(process, take_report)
        try:
            async with asyncio.timeout(timeout_s):
                greeting = decode_greeting(await worker._receive_frame())
        except TimeoutError as error:
            await worker.kill()
            raise WorkerLostError(
                f"worker {worker.pid} was not warm after {timeout_s:g} s"
            ) from error
        except BaseException:
            await worker.kill()
            raise
        if greeting.problem:
            await worker.kill()
            raise UserInputError(greeting.problem)
        worker.encoder = greeting.encoder
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

    async def receive(self) -> list[Answer]:
        """Waits for the answers to the next tasks, in the order in which tasks were sent.

        Raises:
            WorkerLostError: The worker is gone.
        """
        payload = await self._receive_frame()
        try:
            answers, report = decode_answers_and_report(payload)
        except (ValueError, TypeError, pickle.UnpicklingError, DecodeError) as error:
            raise WorkerLostError(f"worker {self.pid} answers what makes no sense") from error
        if report is not None:
            self._take_report(report)
        return answers

    async def _receive_frame(self) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            header = await stdout.readexactly(HEADER_BYTES)
            return await stdout.readexactly(int.from_bytes(header, "big"))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise WorkerLostError(f"worker {self.pid} ended") from error

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
