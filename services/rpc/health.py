"""Health checks (grpc.health.v1), which anybody may make, and so only so many and so large."""

from __future__ import annotations  # grpc's context is generic for the type checker only

import asyncio
from typing import TYPE_CHECKING

from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.core.errors import InvalidRequestError, OverloadedError
from services.rpc.limits import MAX_HEALTH_NAME_BYTES, MAX_HEALTH_WATCHES, PROBE_RETRY_AFTER_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from grpc import aio

    Context = aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]

_State = health_pb2.HealthCheckResponse


class BoundedHealthServicer(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # no types
    """Tells how services are, to so many callers at a time.

    gRPC's own writes to those who watch under the lock that setting a state needs: one of them that
    reads nothing would hold up the whole server.
    """

    def __init__(self) -> None:
        self._states: dict[str, health_pb2.HealthCheckResponse.ServingStatus] = {}
        self._changed = asyncio.Event()
        self._watches = 0
        self._is_final = False

    def set(self, name: str, *, serving: bool) -> None:
        """Sets how a service, or whatever else has a name, is; the empty name is the server."""
        if not self._is_final:
            self._states[name] = _State.SERVING if serving else _State.NOT_SERVING
            self._tell()

    def end(self) -> None:
        """From now on and for good, nothing is serving."""
        self._is_final = True
        self._states = dict.fromkeys(self._states, _State.NOT_SERVING)
        self._tell()

    async def Check(  # noqa: N802 - the proto's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> health_pb2.HealthCheckResponse:
        """Says how a service is; NOT_FOUND where there is none of that name.

        Raises:
            InvalidRequestError: The name is too long for any service.
        """
        _check_name(request.service)
        if request.service not in self._states:
            await context.abort(StatusCode.NOT_FOUND)
        return _State(status=self._states[request.service])

    async def Watch(  # noqa: N802 - the proto's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Says how a service is, again whenever that changes; it need not be there yet.

        Raises:
            InvalidRequestError: The name is too long for any service.
            OverloadedError: Too many watch already.
        """
        del context
        _check_name(request.service)
        if self._watches >= MAX_HEALTH_WATCHES:
            raise OverloadedError(
                f"{MAX_HEALTH_WATCHES} callers watch the health, as many as may; check it from "
                "time to time instead",
                retry_after_s=PROBE_RETRY_AFTER_S,
                max_watches=str(MAX_HEALTH_WATCHES),
            )
        self._watches += 1
        told = None
        try:
            while True:
                changed = self._changed
                state = self._states.get(request.service, _State.SERVICE_UNKNOWN)
                if state != told:
                    told = state
                    yield _State(status=state)
                await changed.wait()
        finally:
            self._watches -= 1

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _check_name(name: str) -> None:
    size = len(name.encode())
    if size > MAX_HEALTH_NAME_BYTES:
        raise InvalidRequestError(
            f"a service's name has {MAX_HEALTH_NAME_BYTES} bytes at most, but this one {size}"
        )
