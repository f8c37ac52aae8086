"""When a front serves its metrics, and that it ends it for good."""

import asyncio
import threading

import pytest

from services.generation import metrics_port
from services.generation.metrics_port import MetricsPort
from services.telemetry.instruments import Metrics
from services.telemetry.metrics_server import MetricsServer


async def test_a_front_that_stops_while_it_tries_a_port_serves_nothing_after_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trying, may_go_on, tried = threading.Event(), threading.Event(), threading.Event()
    start, attempts = MetricsServer.start, 0

    def late(server: MetricsServer) -> int:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise OSError("taken")
        trying.set()
        may_go_on.wait(30)
        try:
            return start(server)
        finally:
            tried.set()

    monkeypatch.setattr(MetricsServer, "start", late)
    monkeypatch.setattr(metrics_port, "_RETRY_S", 0.01)
    port = MetricsPort(Metrics(), "127.0.0.1", [0])
    await port.start()
    assert await asyncio.to_thread(trying.wait, 30)
    stopping = asyncio.create_task(port.stop())
    await asyncio.wait({stopping}, timeout=0.1)
    may_go_on.set()
    await stopping
    assert await asyncio.to_thread(tried.wait, 30)
    assert port.port is None


async def test_a_front_that_waits_for_a_port_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(server: MetricsServer) -> int:
        del server
        raise OSError("taken")

    monkeypatch.setattr(MetricsServer, "start", taken)
    monkeypatch.setattr(metrics_port, "_RETRY_S", 3600.0)
    port = MetricsPort(Metrics(), "127.0.0.1", [9464])
    await port.start()
    async with asyncio.timeout(30):
        await port.stop()
    assert port.port is None
