"""What happens around every call on the server: the gate, the time limit, errors, the log."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import grpc
from grpc import aio

from services.core.deadlines import is_out_of_time
from services.core.errors import DeadlineExceededError, ServiceError, UnimplementedError
from services.rpc.answers import abort, forget_frames, is_foreseen, to_service_error
from services.rpc.arrivals import Arrival, Caller
from services.rpc.call_limits import CallLimits
from services.rpc.call_span import begin_served_call, end_served_call
from services.rpc.clients import note_calling_client, peer_address
from services.rpc.conversation import Conversation
from services.rpc.gate import CallGate, is_probe
from services.rpc.limits import PROBE_IDLE_TIMEOUT_S
from services.rpc.status import status_code_of
from services.telemetry.call_log import CallLog, FinishedCall
from services.telemetry.call_metrics import CallMetrics

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    # Requests and responses are messages of whatever method is called: opaque here.
    Context = aio.ServicerContext[object, object]
    UnaryBehaviour = Callable[[object, Context], Awaitable[object]]
    StreamBehaviour = Callable[[object, Context], AsyncIterator[object]]

_CODE_NAMES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}


class _Handler(Protocol):
    """The part of grpc.RpcMethodHandler that wrapping needs."""

    request_streaming: bool
    response_streaming: bool
    request_deserializer: Callable[[bytes], object] | None
    response_serializer: Callable[[object], bytes] | None
    unary_unary: UnaryBehaviour | None
    unary_stream: StreamBehaviour | None
    stream_unary: UnaryBehaviour | None
    stream_stream: StreamBehaviour | None


class CallInterceptor(aio.ServerInterceptor):
    """Lets calls in, ends those that take too long, and turns errors into statuses.

    Servicers raise :class:`services.core.errors.ServiceError`, which is answered with exactly one
    ErrorInfo; anything else is logged with its traceback and answered as INTERNAL. Cancellation
    passes through untouched. Every call that ended is logged.

    Args:
        gate: Says who may call.
        call_log: Takes the calls that ended.
        limits: Say how long calls may take.
        metrics: Counts them.
    """

    def __init__(
        self, gate: CallGate, call_log: CallLog, limits: CallLimits, metrics: CallMetrics
    ) -> None:
        self._gate = gate
        self._call_log = call_log
        self._limits = limits
        self._metrics = metrics

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
        counts = self._metrics.of(method)
        wrapped: object
        try:
            name = self._gate.check(method, handler_call_details.invocation_metadata or ())
            found = await continuation(handler_call_details)
            if found is None:
                raise UnimplementedError(f"{method} is not served here", method=method)
        except ServiceError as error:
            wrapped = self._refusal(Arrival(method, began, counts), error)
        else:
            wrapped = self._wrap(Arrival(method, began, counts, name), cast("_Handler", found))
        return cast("grpc.RpcMethodHandler[RequestT, ResponseT]", wrapped)

    def _refusal(self, call: Arrival, refused: ServiceError) -> object:
        """Answers at once; the client is not made to send its request first."""

        async def refuse(_: Caller) -> None:
            raise refused

        async def refusing(_: object, context: Context) -> None:
            await self._watched(call, context, refuse)

        return grpc.stream_stream_rpc_method_handler(cast("StreamBehaviour", refusing))

    def _wrap(self, call: Arrival, handler: _Handler) -> object:
        # To gRPC every method is one of many requests: it would read a single one by itself, before
        # anybody has counted the call, and wait for it without end.
        encode = handler.response_serializer and call.counts.encoding(handler.response_serializer)
        if handler.response_streaming:
            streaming = cast("StreamBehaviour", self._streaming(call, handler))
            return grpc.stream_stream_rpc_method_handler(streaming, None, encode)
        return grpc.stream_unary_rpc_method_handler(self._answering(call, handler), None, encode)

    def _answering(self, call: Arrival, handler: _Handler) -> UnaryBehaviour:
        behaviour = handler.stream_unary or handler.unary_unary
        assert behaviour is not None

        async def answer(_: object, context: Context) -> object:
            talk = self._conversation(call, handler, context)

            async def respond() -> object:
                return await behaviour(await _asked(handler, talk), context)

            async def work(caller: Caller) -> object:
                with self._gate.admit(call.method, caller.name):
                    async with talk.bounded():
                        if context.time_remaining() is not None:
                            return await respond()
                        return await self._in_time(respond())

            return await self._watched(call, context, work, talk, behaviour)

        return answer

    def _streaming(
        self, call: Arrival, handler: _Handler
    ) -> Callable[[object, Context], Awaitable[None]]:
        behaviour = handler.stream_stream or handler.unary_stream
        assert behaviour is not None

        # A coroutine that writes, not a generator that yields: gRPC would leave a generator that
        # is cancelled while a response is being sent to the garbage collector, and its place taken.
        async def stream(_: object, context: Context) -> None:
            talk = self._conversation(call, handler, context)

            async def work(caller: Caller) -> None:
                with self._gate.admit(call.method, caller.name):
                    async with talk.bounded():
                        asked = await _asked(handler, talk)
                        responses = cast("AsyncGenerator[object]", behaviour(asked, context))
                        del asked  # a request's picture is the servicer's to keep or let go
                        async with aclosing(responses):
                            async for response in responses:
                                await talk.write(response)

            await self._watched(call, context, work, talk, behaviour)

        return stream

    def _conversation(self, call: Arrival, handler: _Handler, context: Context) -> Conversation:
        assert handler.request_deserializer is not None, "every method of a proto has one"
        decode = call.counts.decoding(handler.request_deserializer)
        idle_timeout_s = self._limits.idle_timeout_s
        if is_probe(call.method):
            idle_timeout_s = min(idle_timeout_s, PROBE_IDLE_TIMEOUT_S)
        answers_each = handler.request_streaming and handler.response_streaming
        return Conversation(context, decode, idle_timeout_s, answers_each=answers_each)

    async def _in_time(self, answering: Awaitable[object]) -> object:
        """Ends a call that nobody else would ever end."""
        limit = asyncio.timeout(self._limits.unary_timeout_s)
        try:
            async with limit:
                return await answering
        except TimeoutError:
            if not limit.expired():
                raise
            raise DeadlineExceededError(
                f"the call took longer than {self._limits.unary_timeout_s:g} s, the most without a "
                "deadline; set one that is long enough",
                unary_timeout_s=f"{self._limits.unary_timeout_s:g}",
            ) from None

    async def _watched(
        self,
        call: Arrival,
        context: Context,
        work: Callable[[Caller], Awaitable[object]],
        talk: Conversation | None = None,
        behaviour: UnaryBehaviour | StreamBehaviour | None = None,
    ) -> object:
        """Does a call's work; answers its error, if it has one; logs its end."""
        code, reason = "OK", ""
        name = self._gate.name_client(call.token_name, context)
        note_calling_client(name)
        caller = Caller(name, peer_address(context.peer()))
        span = begin_served_call(call.method, context, is_known=behaviour is not None)
        call.counts.in_flight += 1
        try:
            result = await work(caller)
        except asyncio.CancelledError:
            left_s = cast("float | None", context.time_remaining())
            out_of_time = is_out_of_time(left_s, time.monotonic() - call.began)
            code = "DEADLINE_EXCEEDED" if out_of_time else "CANCELLED"
            raise
        except aio.AbortError as aborted:  # a servicer's own; gRPC raises it again
            code = _code_name(context.code())
            forget_frames(aborted)
            return None
        except Exception as raised:  # noqa: BLE001 - the one place where the unforeseen is answered
            request_id = "" if talk is None else talk.request_id
            error = to_service_error(
                raised, call.method, request_id, is_generated=_is_generated(behaviour)
            )
            if not is_foreseen(error):
                self._call_log.crashed(call.method, request_id, raised)
            code, reason = status_code_of(error).name, error.reason.value
            forget_frames(raised)
            await abort(error, context)
            return None
        else:
            code = _code_name(context.code())  # a servicer may set it without raising
            return result
        finally:
            self._record(call, caller, code, reason)
            end_served_call(span, code, reason, talk)

    def _record(self, call: Arrival, caller: Caller, code: str, reason: str) -> None:
        duration_s = time.monotonic() - call.began
        call.counts.ended(code, duration_s)
        if reason:
            self._metrics.refused(reason)
        self._call_log.record(
            FinishedCall(
                method=call.method,
                client=caller.name,
                code=code,
                duration_s=duration_s,
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


async def _asked(handler: _Handler, talk: Conversation) -> object:
    """Gives what a method is called with: its request, or the stream of them."""
    return talk.requests() if handler.request_streaming else await talk.request()
