"""The messages of one call, and how long the server waits for the client's part in them."""

from __future__ import annotations  # grpc's context is generic for the type checker only

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from grpc import aio

from services.core.errors import DeadlineExceededError, InvalidRequestError
from services.rpc.decoding import Decode, read_request
from services.telemetry.logging import MAX_NAME_CHARS, bind_request

if TYPE_CHECKING:
    Context = aio.ServicerContext[object, object]


class Conversation:
    """Reads a call's requests and writes its responses.

    The server waits for the client while it reads and has answered all it read before, and while
    it writes a response that the client does not take. Other silence is its own work.

    Args:
        context: The call.
        decode: Makes a message of a request's bytes.
        idle_timeout_s: How long the server waits for the client.
        answers_each: Whether every request gets a response of its own.
    """

    def __init__(
        self, context: Context, decode: Decode, idle_timeout_s: float, *, answers_each: bool
    ) -> None:
        self._context = context
        self._decode = decode
        self._idle_timeout_s = idle_timeout_s
        self._answers_each = answers_each
        self._loop = asyncio.get_running_loop()
        self._unanswered = 0
        self._is_reading = self._is_writing = False
        self._waiting_since = self._loop.time()
        self._ending = asyncio.timeout(None)
        self.request_id = self.model = ""

    @asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """Ends the block once the server has waited too long for the client.

        Raises:
            DeadlineExceededError: It did.
        """
        self._look_later(self._idle_timeout_s)
        try:
            async with self._ending:
                yield
        except TimeoutError:
            if not self._ending.expired():
                raise
            raise DeadlineExceededError(
                f"the client sent and took nothing for {self._idle_timeout_s:g} s while the "
                "service waited for it; call again when there is something to send",
                idle_timeout_s=f"{self._idle_timeout_s:g}",
            ) from None
        finally:
            self._timer.cancel()

    async def request(self) -> object:
        """Reads the one request of a call that has one.

        Raises:
            InvalidRequestError: There is none, or its bytes are no message of the method.
        """
        message = await self._receive()
        if message is None:
            raise InvalidRequestError("the call carries no request; send one")
        # As in gRPC's own handlers, what a client sends beyond that is left unread.
        request = read_request(message, self._decode)
        self.request_id = str(getattr(request, "request_id", ""))[:MAX_NAME_CHARS]
        self.model = str(getattr(request, "model", ""))[:MAX_NAME_CHARS]
        bind_request(self.request_id, self.model)
        return request

    def requests(self) -> AsyncIterator[object]:
        """Gives the requests of a stream; reading them raises as :meth:`request` does."""
        return _Requests(self._receive, self._decode)

    async def write(self, response: object) -> None:
        """Sends a response."""
        self._waiting_since = self._loop.time()
        self._is_writing = True
        try:
            await self._context.write(response)
        finally:
            self._is_writing = False
        self._waiting_since = self._loop.time()
        self._unanswered = max(0, self._unanswered - 1)

    async def _receive(self) -> bytes | None:
        """Waits for a message; none follows the last."""
        self._waiting_since = self._loop.time()
        self._is_reading = True
        try:
            message = await self._context.read()
        finally:
            self._is_reading = False
        if message is aio.EOF:
            return None
        self._unanswered += self._answers_each
        return cast("bytes", message)

    def _look_later(self, delay_s: float) -> None:
        self._timer = self._loop.call_later(delay_s, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        waits = self._is_writing or (self._is_reading and not self._unanswered)
        waited_s = now - self._waiting_since if waits else 0.0
        if waited_s >= self._idle_timeout_s:
            self._ending.reschedule(now)
        else:
            self._look_later(self._idle_timeout_s - waited_s)


class _Requests:
    """Not a generator: one that its reader leaves would wait for the garbage collector."""

    def __init__(self, receive: Callable[[], Awaitable[bytes | None]], decode: Decode) -> None:
        self._receive = receive
        self._decode = decode

    def __aiter__(self) -> _Requests:
        return self

    async def __anext__(self) -> object:
        message = await self._receive()
        if message is None:
            raise StopAsyncIteration
        return read_request(message, self._decode)
