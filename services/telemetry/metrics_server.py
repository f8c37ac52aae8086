"""Serves metrics to Prometheus."""

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.registry import Collector

from services.core.errors import UserInputError


@contextmanager
def serving_metrics(collector: Collector, port: int, address: str = "0.0.0.0") -> Iterator[int]:  # noqa: S104 - Prometheus scrapes from elsewhere
    """Serves a collector's metrics, and the process' own, over HTTP under ``/metrics``.

    Args:
        collector: Asked at every scrape, in another thread.
        port: Where to listen; 0 takes a free port.
        address: On which interface.

    Yields:
        The port.

    Raises:
        UserInputError: The port cannot be had.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(port, address, registry)
    except (OSError, OverflowError) as error:
        raise UserInputError(f"--metrics-port {port}: cannot listen there: {error}") from error
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
