"""What happens around every call on the server: errors become statuses in one place."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import grpc
import structlog
from grpc import aio
from grpc_status import rpc_status

from services.core.errors import InternalError, ServiceError, UnimplementedError
from services.rpc.status import to_rpc_status

_log = structlog.get_logger()

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")

if TYPE_CHECKING:
    # Requests and responses are messages of whatever method is called: opaque here.
    Context = aio.ServicerContext[object, object]
    UnaryBehaviour = Callable[[object, Context], Awaitable[object]]
    StreamBehaviour = Callable[[object, Context], AsyncIterator[object]]


class _Handler(Protocol):
    """The part of grpc.RpcMethodHandler that wrapping needs."""

    request_deserializer: Callable[[bytes], object] | None
    response_serializer: Callable[[object], bytes] | None
    unary_unary: UnaryBehaviour | None
    unary_stream: StreamBehaviour | None
    stream_unary: UnaryBehaviour | None
    stream_stream: StreamBehaviour | None


class ErrorInterceptor(aio.ServerInterceptor):
    """Turns what a servicer raises into a status with exactly one ErrorInfo.

    Servicers raise :class:`services.core.errors.ServiceError`; anything else is logged with its
    traceback and answered as INTERNAL. Cancellation passes through untouched.
    """

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[RequestT, ResponseT] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[RequestT, ResponseT] | None:
        """Wraps the method that is about to be called."""
        found = await continuation(handler_call_details)
        if found is None:  # gRPC answers UNIMPLEMENTED itself
            return found
        handler = cast("_Handler", found)
        method = str(handler_call_details.method)
        serializers = (handler.request_deserializer, handler.response_serializer)
        wrapped: object
        if handler.unary_unary is not None:
            behaviour = _guard_unary(handler.unary_unary, method)
            wrapped = grpc.unary_unary_rpc_method_handler(behaviour, *serializers)
        elif handler.unary_stream is not None:
            streaming = _guard_stream(handler.unary_stream, method)
            wrapped = grpc.unary_stream_rpc_method_handler(streaming, *serializers)
        elif handler.stream_unary is not None:
            behaviour = _guard_unary(handler.stream_unary, method)
            wrapped = grpc.stream_unary_rpc_method_handler(behaviour, *serializers)
        else:
            assert handler.stream_stream is not None
            streaming = _guard_stream(handler.stream_stream, method)
            wrapped = grpc.stream_stream_rpc_method_handler(streaming, *serializers)
        return cast("grpc.RpcMethodHandler[RequestT, ResponseT]", wrapped)


def _guard_unary(behaviour: UnaryBehaviour, method: str) -> UnaryBehaviour:
    async def guarded(request: object, context: Context) -> object:
        try:
            return await behaviour(request, context)
        except (asyncio.CancelledError, aio.AbortError):
            raise
        except Exception as error:  # noqa: BLE001 - the one place where the unforeseen is answered
            return await _abort(_judged(error, behaviour, request, method), context)

    return guarded


def _guard_stream(behaviour: StreamBehaviour, method: str) -> StreamBehaviour:
    if inspect.iscoroutinefunction(behaviour):
        # gRPC's other style, which its own health service uses: it writes to the context.
        return cast("StreamBehaviour", _guard_unary(cast("UnaryBehaviour", behaviour), method))

    async def guarded(request: object, context: Context) -> AsyncIterator[object]:
        try:
            async for response in behaviour(request, context):
                yield response
        except (asyncio.CancelledError, aio.AbortError, GeneratorExit):
            raise
        except Exception as error:  # noqa: BLE001 - the one place where the unforeseen is answered
            await _abort(_judged(error, behaviour, request, method), context)

    return guarded


def _judged(
    error: Exception, behaviour: UnaryBehaviour | StreamBehaviour, request: object, method: str
) -> ServiceError:
    """Says what the client is told of an error, and logs what it is not told."""
    if isinstance(error, ServiceError) and not isinstance(error, InternalError):
        return error
    # The generated base class raises this for a method that its servicer does not have.
    if isinstance(error, NotImplementedError) and behaviour.__module__.endswith("_pb2_grpc"):
        return UnimplementedError(f"{method} is not served by this version", method=method)
    request_id = str(getattr(request, "request_id", ""))
    _log.error("call_failed", method=method, request_id=request_id, exc_info=error)
    return InternalError("internal error; the service's log has the details", request_id=request_id)


async def _abort(error: ServiceError, context: Context) -> object:
    status = rpc_status.to_status(to_rpc_status(error))
    await context.abort(status.code, status.details, status.trailing_metadata)
