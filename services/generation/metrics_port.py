"""Where Prometheus finds a front: on the first port of a few that is free."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from services.telemetry.instruments import Metrics
from services.telemetry.metrics_server import MetricsServer

_log = structlog.get_logger()

_RETRY_S = 1.0
_HIGHEST_PORT = 65_535


def metrics_ports(first: int, fronts: int) -> Sequence[int]:
    """Lists the ports that the fronts of one node share out; 0 stands for any free one.

    >>> list(metrics_ports(9464, 2)), list(metrics_ports(0, 2))
    ([9464, 9465], [0])
    """
    return range(first, min(first + fronts - 1, _HIGHEST_PORT) + 1) if first else (0,)


class MetricsPort:
    """Serves a front's metrics once one of its ports is free.

    A front that replaces another finds the port taken until that one has drained: it goes on
    serving calls, and takes the port then.

    Args:
        metrics: What is served.
        address: On which interface.
        ports: The ports.
    """

    def __init__(self, metrics: Metrics, address: str, ports: Sequence[int]) -> None:
        self._server = MetricsServer(metrics, address, ports)
        self._ports = ports
        self._is_over = asyncio.Event()
        self._trying: asyncio.Task[None] | None = None

    @property
    def port(self) -> int | None:
        """The port while metrics are served."""
        return self._server.port

    async def start(self) -> None:
        """Begins to serve, or to wait for a port."""
        if await self._serve() is None:
            return
        self._trying = asyncio.create_task(self._keep_trying())

    async def stop(self) -> None:
        """Ends it."""
        self._is_over.set()
        if self._trying is not None:
            # Not cancelled: its thread would go on, and maybe serve what nobody ends any more.
            await asyncio.wait({self._trying})
        await asyncio.to_thread(self._server.stop)

    async def _serve(self) -> OSError | None:
        try:
            # In a thread: it looks the machine's name up.
            port = await asyncio.to_thread(self._server.start)
        except OSError as error:
            return error
        _log.info("metrics_served", port=port)
        return None

    async def _keep_trying(self) -> None:
        ports = list(self._ports)
        _log.warning("metrics_port_taken", ports=ports)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_S):
                    await self._is_over.wait()
                    return
            if await self._serve() is None:
                return
