"""Turns what a gRPC call raises into errors that the retry rules know."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import grpc
from grpc import aio

from services.core.errors import EngineUnavailableError, ServiceError
from services.rpc.status import error_from_rpc
from services.sweep.remote.retry import ConnectionLostError

ResponseT = TypeVar("ResponseT")
ResponseT_co = TypeVar("ResponseT_co", covariant=True)

# What grpc.aio (_call.py, grpcio 1.85) reports instead of the server's status when a message is
# written to a stream that the server has just ended.
_LOST_WHILE_WRITING = "Internal error from Core"

# Where a service of ours says what it means; gRPC itself and proxies do not. Source: grpc_status.
_DETAILS_KEY = "grpc-status-details-bin"


class ResponseStream(Protocol[ResponseT_co]):
    """The part of grpc's two streaming calls that reading needs."""

    def __aiter__(self) -> AsyncIterator[ResponseT_co]: ...

    def cancel(self) -> bool:
        """Ends the call."""
        ...


def service_error(failure: aio.AioRpcError) -> ServiceError:
    """Says what a failed call means; a lost connection is told from a service's own answer."""
    if failure.details() == _LOST_WHILE_WRITING:
        return ConnectionLostError("the stream was lost while something was sent")
    error = error_from_rpc(failure)
    is_bare = all(key != _DETAILS_KEY for key, _ in failure.trailing_metadata() or ())
    unavailable = failure.code() is grpc.StatusCode.UNAVAILABLE
    if is_bare and unavailable and isinstance(error, EngineUnavailableError):
        return ConnectionLostError(error.message)
    return error


@contextmanager
def translated() -> Iterator[None]:
    """Raises what gRPC raises in the block as a ServiceError."""
    try:
        yield
    except aio.AioRpcError as failure:
        raise service_error(failure) from failure


@contextmanager
def named(service: str, address: str) -> Iterator[None]:
    """Has what a service fails with in the block say which service and where.

    Args:
        service: What it does: generation or scoring.
        address: ``host:port``.
    """
    try:
        yield
    except ServiceError as error:
        says = " does not answer" if isinstance(error, ConnectionLostError) else ""
        error.message = f"the {service} service at {address}{says}: {error.message}"
        error.args = (error.message,)
        raise


async def responses(call: ResponseStream[ResponseT]) -> AsyncGenerator[ResponseT]:
    """Yields a call's responses, and ends the call when the reader stops.

    Raises:
        ServiceError: The call failed.
    """
    try:
        with translated():
            async for response in call:
                yield response
    finally:
        call.cancel()  # whoever stops reading early must not leave the service working
