"""What a call is answered with when it fails, and that nothing of it is kept in memory."""

from __future__ import annotations  # grpc's context is generic for the type checker only

from typing import TYPE_CHECKING

from grpc import aio
from grpc_status import rpc_status

from services.core.errors import InternalError, ServiceError, UnimplementedError
from services.rpc.status import retry_pushback, to_rpc_status

if TYPE_CHECKING:
    Context = aio.ServicerContext[object, object]


def is_foreseen(error: Exception) -> bool:
    """Whether the client is told of an error as it is; of any other it learns nothing."""
    return isinstance(error, ServiceError) and not isinstance(error, InternalError)


def to_service_error(
    error: Exception, method: str, request_id: str, *, is_generated: bool
) -> ServiceError:
    """Says what the client is told of an error.

    Args:
        error: What the servicer raised.
        method: Full name of the method.
        request_id: The call's, where its request has one.
        is_generated: Whether the method is the generated base class's own, which raises
            NotImplementedError for what its servicer does not have.
    """
    if isinstance(error, ServiceError) and is_foreseen(error):
        return error
    if is_generated and isinstance(error, NotImplementedError):
        return UnimplementedError(f"{method} is not served by this version", method=method)
    return InternalError("internal error; the service's log has the details", request_id=request_id)


async def abort(error: ServiceError, context: Context) -> None:
    """Ends a call with an error's status; gRPC goes on as soon as the handler returns.

    A code that is only set would go out together with an empty response, after which a client's
    built-in retries consider the call as answered.
    """
    status = rpc_status.to_status(to_rpc_status(error))
    trailers = (*status.trailing_metadata, *retry_pushback(error))
    try:
        await context.abort(status.code, status.details, trailers)
    except aio.AbortError as aborted:
        forget_frames(aborted)
        aborted.__context__ = None


def forget_frames(error: BaseException) -> None:
    """Cuts an error, and those that led to it, off the frames that it passed.

    The frames hold the call's request and its context, and gRPC's context holds the AbortError:
    such a circle stays in memory, up to 64 MiB a call, until Python looks for garbage. An
    AbortError that is not raised any further is raised by gRPC again, once the handler is left.
    """
    seen: set[int] = set()
    links: list[BaseException | None] = [error]
    while links:
        link = links.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        link.__traceback__ = None
        links += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            links += link.exceptions
