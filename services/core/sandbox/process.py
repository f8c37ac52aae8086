"""Sandboxed processes as their parent sees them: started when needed, and again once lost."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from services.core.sandbox.inside import LENGTH_BYTES

# The kernel ends what computes too long; this is for a process that was stopped from outside.
_STUCK_S = 120.0
# A process ends when its input does, unless it is busy.
_END_S = 1.0
# A process may have been killed for what its neighbours did; a second one decides.
_ATTEMPTS = 2

AnswerT = TypeVar("AnswerT")


class SandboxStartError(Exception):
    """No process can be started; ``exit_code`` is negative for the signal that ended it."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(f"a sandboxed process ended with code {exit_code} as it started")
        self.exit_code = exit_code


class TooMuchComputationError(Exception):
    """A request takes more computation than it may."""


class CrashingRequestError(Exception):
    """A request crashes the process, or has it answer nonsense, each time."""


class _LostError(Exception):
    """The process ended, or answers nothing."""


def _tell_nobody(exit_code: int | None) -> None:
    del exit_code


class SandboxProcess:
    """A process that answers one request at a time.

    Args:
        module: Its ``main`` is what runs there, and calls
            :func:`services.core.sandbox.inside.serve`.
        arguments: Given to ``main``; numbers or nothing.
    """

    def __init__(self, module: str, *arguments: float | None) -> None:
        # The path is handed over as it is: under Ray it does not come from the environment.
        program = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            f"from {module} import main; main(*{arguments!r})"
        )
        self._command = (sys.executable, "-W", "ignore", "-c", program)
        self._process: asyncio.subprocess.Process | None = None

    async def ask(
        self,
        request: bytes,
        read: Callable[[bytes], AnswerT],
        lost: Callable[[int | None], None] = _tell_nobody,
    ) -> AnswerT:
        """Has a request answered, by another process if the first one is lost.

        Args:
            request: The request.
            read: Reads the answer; a ``ValueError`` says that it makes no sense.
            lost: Told the exit code of a process that was lost.

        Raises:
            TooMuchComputationError: It takes more computation than it may.
            CrashingRequestError: It crashes the process.
            SandboxStartError: No process can be started.
        """
        for _ in range(_ATTEMPTS):
            process = self._process or await self._start()
            try:
                answer = await _ask(process, request)
            except _LostError:
                pass
            except BaseException:  # what it answers next would be about this request
                await self.end()
                raise
            else:
                with contextlib.suppress(ValueError):
                    return read(answer)
            code = await self.end()
            lost(code)
            if code == -signal.SIGPROF:
                raise TooMuchComputationError
        raise CrashingRequestError

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
        except _LostError as error:
            raise SandboxStartError(await self.end()) from error
        except BaseException:
            await self.end()
            raise
        return self._process


class SandboxPool:
    """A few processes of one kind, of which each request takes one.

    Args:
        processes: The processes; none is started before it is needed.
    """

    def __init__(self, processes: Sequence[SandboxProcess]) -> None:
        self._processes = tuple(processes)
        # The one used last comes first: a second one is started when two are needed.
        self._idle: asyncio.LifoQueue[SandboxProcess] = asyncio.LifoQueue()
        for process in processes:
            self._idle.put_nowait(process)

    async def take(self) -> SandboxProcess:
        """Gives a process that nobody else has, once there is one; to be given back."""
        return await self._idle.get()

    def give_back(self, process: SandboxProcess) -> None:
        """Lets others have it."""
        self._idle.put_nowait(process)

    async def close(self) -> None:
        """Ends the processes."""
        for process in self._processes:
            await process.end()


async def _ask(process: asyncio.subprocess.Process, request: bytes) -> bytes:
    assert process.stdin is not None
    try:
        process.stdin.write(len(request).to_bytes(LENGTH_BYTES, "big"))
        process.stdin.write(request)
        await process.stdin.drain()
    except ConnectionError as error:
        raise _LostError from error
    return await _receive(process)


async def _receive(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_STUCK_S):
            header = await process.stdout.readexactly(LENGTH_BYTES)
            return await process.stdout.readexactly(int.from_bytes(header, "big"))
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
        raise _LostError from error
