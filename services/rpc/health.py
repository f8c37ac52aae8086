"""Health checks (grpc.health.v1), which anybody may make, and so only so many and so large."""

from __future__ import annotations  # grpc's context is generic for the type checker only

from typing import TYPE_CHECKING

from grpc_health.v1 import health, health_pb2

from services.core.errors import InvalidRequestError, OverloadedError
from services.rpc.limits import MAX_HEALTH_NAME_BYTES, MAX_HEALTH_WATCHES, PROBE_RETRY_AFTER_S

if TYPE_CHECKING:
    from grpc import aio

    Context = aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]


class BoundedHealthServicer(health.aio.HealthServicer):  # type: ignore[misc]  # it has no types
    """gRPC's own health service with bounds on what it keeps for its callers."""

    def __init__(self) -> None:
        super().__init__()
        self._watches = 0

    async def Check(  # noqa: N802 - the proto's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> health_pb2.HealthCheckResponse:
        """Says how a service is.

        Raises:
            InvalidRequestError: The name is too long for any service.
        """
        _check_name(request.service)
        return await super().Check(request, context)

    async def Watch(  # noqa: N802 - the proto's name
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> None:
        """Says how a service is, again whenever that changes.

        Raises:
            InvalidRequestError: The name is too long for any service.
            OverloadedError: Too many watch already.
        """
        _check_name(request.service)
        if self._watches >= MAX_HEALTH_WATCHES:
            raise OverloadedError(
                f"{MAX_HEALTH_WATCHES} callers watch the health, as many as may; check it from "
                "time to time instead",
                retry_after_s=PROBE_RETRY_AFTER_S,
                max_watches=str(MAX_HEALTH_WATCHES),
            )
        self._watches += 1
        try:
            await super().Watch(request, context)
        finally:
            self._watches -= 1


def _check_name(name: str) -> None:
    size = len(name.encode())
    if size > MAX_HEALTH_NAME_BYTES:
        raise InvalidRequestError(
            f"a service's name has {MAX_HEALTH_NAME_BYTES} bytes at most, but this one {size}"
        )
