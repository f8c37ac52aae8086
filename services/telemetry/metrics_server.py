"""Serves metrics to Prometheus."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.registry import Collector

from services.core.errors import UserInputError


class MetricsServer:
    """Serves a collector's metrics, and the process' own, over HTTP under ``/metrics``.

    In plaintext and to anybody who can reach the port: what may not be read by all is kept from it
    by the network. Scrapes are answered in threads of their own.

    Args:
        collector: Asked at every scrape, in another thread.
        address: On which interface; an address without a port, IPv6 in brackets or not.
        ports: Where to listen: on the first of them that is free; 0 takes a free port.
    """

    def __init__(self, collector: Collector, address: str, ports: Sequence[int]) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(collector)
        ProcessCollector(registry=self._registry)
        self._address = address.strip("[]")
        self._ports = tuple(ports)
        self._running: tuple[WSGIServer, threading.Thread] | None = None

    @property
    def port(self) -> int | None:
        """The port while it is served."""
        return None if self._running is None else self._running[0].server_port

    def start(self) -> int:
        """Begins to serve.

        Returns:
            The port.

        Raises:
            OSError: None of the ports can be had.
        """
        failure: OSError | None = None
        for port in self._ports:
            try:
                self._running = start_http_server(port, self._address, self._registry)
            except OverflowError as error:
                failure = OSError(str(error))
            except OSError as error:
                failure = error
            else:
                return self._running[0].server_port
        raise failure or OSError("no port is given")

    def stop(self) -> None:
        """Ends it, within half a second. Idempotent."""
        if self._running is not None:
            server, thread = self._running
            self._running = None
            server.shutdown()
            server.server_close()
            thread.join()


@contextmanager
def serving_metrics(
    collector: Collector,
    port: int,
    address: str = "0.0.0.0",  # noqa: S104 - Prometheus scrapes from elsewhere
    *,
    setting: str = "--metrics-port",
) -> Iterator[int]:
    """Serves a collector's metrics for as long as the block lasts; see :class:`MetricsServer`.

    Args:
        collector: Asked at every scrape, in another thread.
        port: Where to listen; 0 takes a free port.
        address: On which interface.
        setting: What the port was given by, for the error.

    Yields:
        The port.

    Raises:
        UserInputError: The port cannot be had.
    """
    server = MetricsServer(collector, address, [port])
    try:
        bound = server.start()
    except OSError as error:
        raise UserInputError(f"{setting} {port}: cannot listen there: {error}") from error
    try:
        yield bound
    finally:
        server.stop()
