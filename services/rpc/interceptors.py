"""What happens around every call on the server: the gate, the time limit, errors, the log."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import grpc
from grpc import aio
from grpc_status import rpc_status

from services.core.errors import (
    DeadlineExceededError,
    InternalError,
    ServiceError,
    UnimplementedError,
)
from services.rpc.clients import peer_address
from services.rpc.decoding import Requests, read_request
from services.rpc.gate import CallGate, is_probe
from services.rpc.status import retry_pushback, status_code_of, to_rpc_status
from services.telemetry.call_log import CallLog, FinishedCall

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    # Requests and responses are messages of whatever method is called: opaque here.
    Context = aio.ServicerContext[object, object]
    UnaryBehaviour = Callable[[object, Context], Awaitable[object]]
    StreamBehaviour = Callable[[object, Context], AsyncIterator[object]]
    Read = Callable[[object], object]
    RequestSource = Callable[[], object]

_CODE_NAMES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}


class _Handler(Protocol):
    """The part of grpc.RpcMethodHandler that wrapping needs."""

    request_deserializer: Callable[[bytes], object] | None
    response_serializer: Callable[[object], bytes] | None
    unary_unary: UnaryBehaviour | None
    unary_stream: StreamBehaviour | None
    stream_unary: UnaryBehaviour | None
    stream_stream: StreamBehaviour | None


@dataclass(frozen=True, slots=True)
class _Arrival:
    """What is known of a call before its request is read.

    Attributes:
        method: Full name of its method.
        began: When, by the monotonic clock.
        token_name: The client that its token belongs to, where tokens are asked for.
    """

    method: str
    began: float
    token_name: str | None = None


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who makes a call; noted at its beginning, as gRPC forgets it when the call is cancelled.

    Attributes:
        name: What the client is counted under.
        address: Where the call comes from.
    """

    name: str
    address: str


class CallInterceptor(aio.ServerInterceptor):
    """Lets calls in, ends those that take too long, and turns errors into statuses.

    Servicers raise :class:`services.core.errors.ServiceError`, which is answered with exactly one
    ErrorInfo; anything else is logged with its traceback and answered as INTERNAL. Cancellation
    passes through untouched. Every call that ended is logged.

    Args:
        gate: Says who may call.
        call_log: Takes the calls that ended.
        unary_timeout_s: Longest duration of a call with one response and without a deadline.
    """

    def __init__(self, gate: CallGate, call_log: CallLog, unary_timeout_s: float) -> None:
        self._gate = gate
        self._call_log = call_log
        self._unary_timeout_s = unary_timeout_s

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[RequestT, ResponseT] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[RequestT, ResponseT] | None:
        """Wraps the method that is about to be called."""
        method = str(handler_call_details.method)
        began = time.monotonic()
        wrapped: object
        try:
            name = self._gate.check(method, handler_call_details.invocation_metadata or ())
            found = await continuation(handler_call_details)
            if found is None:
                raise UnimplementedError(f"{method} is not served here", method=method)
        except ServiceError as error:
            wrapped = self._refusal(_Arrival(method, began), error)
        else:
            wrapped = self._wrap(_Arrival(method, began, name), cast("_Handler", found))
        return cast("grpc.RpcMethodHandler[RequestT, ResponseT]", wrapped)

    def _refusal(self, call: _Arrival, refused: ServiceError) -> object:
        """Answers at once; a method of streams is not made to read its request first."""

        async def refuse(_: _Caller, __: object) -> None:
            raise refused

        async def refusing(_: object, context: Context) -> None:
            await self._watched(call, context, refuse, lambda: None)

        return grpc.stream_stream_rpc_method_handler(cast("StreamBehaviour", refusing))

    def _wrap(self, call: _Arrival, handler: _Handler) -> object:
        decode = handler.request_deserializer
        assert decode is not None, "every method of a proto has one"
        read_one, read_many = partial(read_request, decode=decode), partial(Requests, decode=decode)
        serializers = (None, handler.response_serializer)
        if handler.unary_unary is not None:
            answering = self._unary(call, handler.unary_unary, read_one)
            return grpc.unary_unary_rpc_method_handler(answering, *serializers)
        if handler.stream_unary is not None:
            answering = self._unary(call, handler.stream_unary, read_many)
            return grpc.stream_unary_rpc_method_handler(answering, *serializers)
        if handler.unary_stream is not None:
            streaming = self._stream(call, handler.unary_stream, read_one)
            return grpc.unary_stream_rpc_method_handler(streaming, *serializers)
        assert handler.stream_stream is not None
        streaming = self._stream(call, handler.stream_stream, read_many)
        return grpc.stream_stream_rpc_method_handler(streaming, *serializers)

    def _unary(self, call: _Arrival, behaviour: UnaryBehaviour, read: Read) -> UnaryBehaviour:
        async def guarded(message: object, context: Context) -> object:
            async def work(caller: _Caller, request: RequestSource) -> object:
                with self._gate.admit(call.method, caller.name):
                    answering = behaviour(request(), context)
                    if context.time_remaining() is not None:
                        return await answering
                    return await self._in_time(answering)

            return await self._watched(call, context, work, lambda: read(message), behaviour)

        return guarded

    def _stream(self, call: _Arrival, behaviour: StreamBehaviour, read: Read) -> StreamBehaviour:
        # A coroutine that writes, not a generator that yields: gRPC would leave a generator that
        # is cancelled while a response is being sent to the garbage collector, and its place taken.
        async def guarded(message: object, context: Context) -> None:
            async def work(caller: _Caller, request: RequestSource) -> None:
                with self._gate.admit(call.method, caller.name):
                    if inspect.iscoroutinefunction(behaviour):  # gRPC's own health service
                        await behaviour(request(), context)
                        return
                    responses = cast("AsyncGenerator[object]", behaviour(request(), context))
                    async with aclosing(responses):
                        async for response in responses:
                            await context.write(response)

            await self._watched(call, context, work, lambda: read(message), behaviour)

        return cast("StreamBehaviour", guarded)

    async def _in_time(self, answering: Awaitable[object]) -> object:
        """Ends a call that nobody else would ever end."""
        limit = asyncio.timeout(self._unary_timeout_s)
        try:
            async with limit:
                return await answering
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineExceededError(
                f"the call took longer than {self._unary_timeout_s:g} s, the most without a "
                "deadline; set one that is long enough",
                unary_timeout_s=f"{self._unary_timeout_s:g}",
            ) from None

    async def _watched(
        self,
        call: _Arrival,
        context: Context,
        work: Callable[[_Caller, RequestSource], Awaitable[object]],
        read: RequestSource,
        behaviour: UnaryBehaviour | StreamBehaviour | None = None,
    ) -> object:
        """Does a call's work; answers its error, if it has one; logs its end."""
        code, reason = "OK", ""
        request: object = None

        def reading() -> object:
            nonlocal request
            request = read()
            return request

        name = self._gate.name_client(call.token_name, context)
        caller = _Caller(name, peer_address(context.peer()))
        try:
            result = await work(caller, reading)
        except asyncio.CancelledError:
            out_of_time = context.time_remaining() == 0
            code = "DEADLINE_EXCEEDED" if out_of_time else "CANCELLED"
            raise
        except aio.AbortError:
            code = _code_name(context.code())
            raise
        except Exception as raised:  # noqa: BLE001 - the one place where the unforeseen is answered
            error = self._judged(raised, call, request, behaviour)
            code, reason = status_code_of(error).name, error.reason.value
            return await _abort(error, context)
        else:
            code = _code_name(context.code())  # a servicer may set it without raising
            return result
        finally:
            self._record(call, caller, code, reason)

    def _judged(
        self,
        error: Exception,
        call: _Arrival,
        request: object,
        behaviour: UnaryBehaviour | StreamBehaviour | None,
    ) -> ServiceError:
        """Says what the client is told of an error, and logs what it is not told."""
        if isinstance(error, ServiceError) and not isinstance(error, InternalError):
            return error
        # The generated base class raises this for a method that its servicer does not have.
        if isinstance(error, NotImplementedError) and _is_generated(behaviour):
            method = call.method
            return UnimplementedError(f"{method} is not served by this version", method=method)
        request_id = str(getattr(request, "request_id", ""))
        self._call_log.crashed(call.method, request_id, error)
        return InternalError(
            "internal error; the service's log has the details", request_id=request_id
        )

    def _record(self, call: _Arrival, caller: _Caller, code: str, reason: str) -> None:
        self._call_log.record(
            FinishedCall(
                method=call.method,
                client=caller.name,
                code=code,
                duration_s=time.monotonic() - call.began,
                address=caller.address,
                reason=reason,
                is_probe=is_probe(call.method),
            )
        )


def _code_name(code: object) -> str:
    """Names the code of a context: a number, and none before it is set."""
    if isinstance(code, grpc.StatusCode):
        return code.name
    return _CODE_NAMES.get(code, "UNKNOWN") if isinstance(code, int) else "OK"


def _is_generated(behaviour: UnaryBehaviour | StreamBehaviour | None) -> bool:
    return behaviour is not None and behaviour.__module__.endswith("_pb2_grpc")


async def _abort(error: ServiceError, context: Context) -> object:
    status = rpc_status.to_status(to_rpc_status(error))
    trailers = (*status.trailing_metadata, *retry_pushback(error))
    return await context.abort(status.code, status.details, trailers)
