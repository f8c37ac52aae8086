"""What the metrics of a server tell calls apart by: the methods that it serves, codes, reasons."""

from collections.abc import Iterator, Sequence

import grpc
from google.protobuf import descriptor_pool
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection

from services.core.errors import ErrorReason
from services.rpc.status import STATUS_CODES
from services.telemetry.call_metrics import CallMetrics
from services.telemetry.instruments import Metrics

# Calls that end so were let in and worked on; with any other reason they were refused.
_NO_REFUSALS = frozenset(
    {
        ErrorReason.DEADLINE_EXCEEDED,
        ErrorReason.ENGINE_UNAVAILABLE,
        ErrorReason.GENERATION_ABORTED,
        ErrorReason.INTERNAL,
    }
)


def call_metrics(metrics: Metrics, service: str, service_names: Sequence[str]) -> CallMetrics:
    """Makes what counts the calls of a server.

    Args:
        metrics: Where Prometheus finds the counts.
        service: What the metrics call the service.
        service_names: Full proto names of the services; health and reflection are added.
    """
    codes = {grpc.StatusCode.OK, grpc.StatusCode.CANCELLED, *STATUS_CODES.values()}
    names = (*service_names, health.SERVICE_NAME, reflection.SERVICE_NAME)
    return CallMetrics(
        metrics,
        service,
        methods=[method for name in names for method in _methods(name)],
        codes=sorted(code.name for code in codes),
        reasons=sorted(reason.value for reason in set(ErrorReason) - _NO_REFUSALS),
    )


def _methods(service: str) -> Iterator[str]:
    """Yields the full names of a service's methods; none where no proto of it is loaded."""
    try:
        found = descriptor_pool.Default().FindServiceByName(service)
    except KeyError:
        return
    for method in found.methods:
        yield f"/{service}/{method.name}"
