"""``python -m services.scoring`` runs the scoring service until SIGTERM or Ctrl-C."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.core.errors import UserInputError
from services.core.heap import collect_garbage_rarely
from services.rpc.server import RpcServer
from services.scoring.build import build_scorer, item_limits
from services.scoring.scorer import Scorer
from services.scoring.servicer import SERVICE_NAME, ScoringServicer
from services.scoring.settings import PREFIX, ScoringSettings, load_settings
from services.scoring.worker_process import WorkerLostError
from services.telemetry.instruments import Metrics
from services.telemetry.logging import configure_logging
from services.telemetry.metrics_server import serving_metrics
from services.telemetry.tracer import tracing

PROGRAM = "expart-scoring"

_log = structlog.get_logger()


async def serve(settings: ScoringSettings) -> None:
    """Serves until the process is told to stop; then ends what is in flight.

    Raises:
        UserInputError: The address or the port for metrics cannot be bound, the address file
            cannot be written, or the encoder cannot be loaded.
        WorkerLostError: The workers do not start.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    metrics = Metrics()
    scorer = build_scorer(settings, metrics)
    limits = item_limits(settings)
    servicer = ScoringServicer(scorer, limits, settings.stream_window)
    server = RpcServer(
        settings.address,
        [SERVICE_NAME],
        lambda grpc_server: pb_grpc.add_ScoringServiceServicer_to_server(servicer, grpc_server),
        security=settings.security,
        call_limits=settings.call_limits,
        health_address=settings.health_address,
        max_request_bytes=limits.max_request_bytes,
        on_drain=servicer.drain,
        check_room=servicer.check_room,
        metrics=metrics,
        metrics_name="scoring",
    )
    with _scraped(metrics, settings):
        await _run(server, scorer, settings, stopped)


async def _run(
    server: RpcServer, scorer: Scorer, settings: ScoringSettings, stopped: asyncio.Event
) -> None:
    await scorer.start()
    collect_garbage_rarely()
    try:
        port = await server.start()
        address = f"{settings.address.rpartition(':')[0]}:{port}"
        _log.info(
            "scoring_started",
            address=address,
            worker_count=settings.workers,
            worker_pids=scorer.worker_pids,
            encoder=scorer.encoder,
        )
        with _announced(address, settings.address_file):
            await stopped.wait()
    finally:
        await server.stop(settings.stop_grace_s)
        await scorer.stop()
    _log.info("scoring_stopped", address=address)


@contextmanager
def _scraped(metrics: Metrics, settings: ScoringSettings) -> Iterator[None]:
    """Serves metrics, if the settings have a port for it."""
    if settings.metrics_port is None:
        yield
        return
    host = settings.address.rpartition(":")[0]
    setting = f"{PREFIX}METRICS_PORT"
    with serving_metrics(metrics, settings.metrics_port, host, setting=setting) as port:
        _log.info("metrics_served", port=port)
        yield


@contextmanager
def _announced(address: str, path: Path | None) -> Iterator[None]:
    """Keeps the address in a file, which never holds only a part of it."""
    if path is None:
        yield
        return
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as scratch:
            scratch.write(address)
        Path(scratch.name).replace(path)
    except OSError as error:
        raise UserInputError(f"cannot write the address file {path}: {error.strerror}") from error
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def main() -> int:
    """Runs the service; returns the exit code."""
    try:
        settings = load_settings()
    except UserInputError as error:
        return _fail(error.message)
    configure_logging(
        json=settings.log_format == "json", level=settings.log_level, fields={"program": PROGRAM}
    )
    try:
        with tracing(PROGRAM):
            asyncio.run(serve(settings))
    except UserInputError as error:
        return _fail(error.message)
    except WorkerLostError as error:
        return _fail(f"the scoring workers did not start: {error}")
    return 0


def _fail(message: str) -> int:
    sys.stderr.write(f"expart-scoring: error: {message}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
