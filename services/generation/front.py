"""The front: our gRPC server and what keeps its view of the models fresh."""

import asyncio
from collections.abc import Mapping

import structlog
from grpc import aio

from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.generation.admission import Admission
from services.generation.catalog import Catalog
from services.generation.domain import Lane, ModelCondition, ModelState
from services.generation.explanations import ExplanationService, ImageShelf
from services.generation.front_gauges import (
    watch_images,
    watch_models,
    watch_queues,
    watch_replays,
)
from services.generation.front_metrics import FrontMetrics
from services.generation.image_check import ImageChecker
from services.generation.image_folder import ImageFolder
from services.generation.image_store import ImageStore, StoreLimits
from services.generation.image_upload import ImageUploads, UploadLimits
from services.generation.images import ImageLimits
from services.generation.load_wait import LoadWait
from services.generation.metrics_port import MetricsPort, metrics_ports
from services.generation.replay import ReplayLimits, Replays
from services.generation.router import ModelRouter
from services.generation.servicer import SERVICE_NAME, GenerationServicer
from services.generation.settings import GenerationSettings
from services.rpc.server import RpcServer
from services.telemetry.instruments import Metrics

_log = structlog.get_logger()

# Calls find out by themselves what a model of these states does with them.
_SERVING = (ModelState.READY, ModelState.SCALED_TO_ZERO)


class Front:
    """Serves GenerationService over gRPC for models reached through a router.

    Health is reported for the server (the empty name), for the service, and for every model
    under its own name.

    Args:
        catalog: The models to serve.
        router: Reaches them.
        settings: Address, limits and intervals.
        reuse_port: Lets several fronts of a machine share the port.

    Attributes:
        metrics: What it tells Prometheus; served where the settings have a port for it.
    """

    def __init__(
        self,
        catalog: Catalog,
        router: ModelRouter,
        settings: GenerationSettings,
        *,
        reuse_port: bool = False,
    ) -> None:
        self._settings = settings
        self._models = catalog.names
        self.metrics = Metrics()
        counted = FrontMetrics(self.metrics)
        limits = ImageLimits(
            settings.image_max_bytes, settings.image_max_pixels, settings.image_max_aspect_ratio
        )
        self._images = ImageChecker(limits)
        store = ImageStore(_store_limits(settings), _image_folder(settings))
        self._uploads = ImageUploads(store, self._images, _upload_limits(settings))
        self._admission = Admission(
            catalog, interactive_share=settings.interactive_share, note_wait=counted.waited
        )
        replays = Replays(_replay_limits(settings))
        self._service = ExplanationService(
            catalog,
            router,
            ImageShelf(store, self._images),
            self._admission,
            replays,
            metrics=counted,
        )
        watch_queues(self.metrics, self._admission)
        watch_images(self.metrics, store, self._uploads)
        watch_replays(self.metrics, replays)
        watch_models(self.metrics, self._service.served)
        self._server = RpcServer(
            settings.address,
            [SERVICE_NAME],
            self._register,
            security=settings.security,
            call_limits=settings.call_limits,
            health_address=settings.health_address,
            reuse_port=reuse_port,
            metrics=self.metrics,
            metrics_name="generation",
        )
        self._metrics_port = _metrics_port(self.metrics, settings)
        self._load_wait = LoadWait(settings.load_wait_s)
        self._refreshing: asyncio.Task[None] | None = None

    @property
    def calls_in_flight(self) -> int:
        """Calls that were let in and have not ended."""
        return self._server.calls_in_flight

    @property
    def metrics_port(self) -> int | None:
        """The port under which metrics are served, if they are."""
        return None if self._metrics_port is None else self._metrics_port.port

    @property
    def uploads_in_flight(self) -> int:
        """Images that are being uploaded."""
        return self._uploads.running_count

    def running_count(self, model: str) -> int:
        """Calls that have a place at a model's replicas."""
        return self._admission.queue(model).running_count

    def waiting_count(self, model: str, lane: Lane) -> int:
        """Calls of a lane that wait for a place at a model's replicas."""
        return self._admission.queue(model).waiting_count(lane)

    async def start(self) -> int:
        """Starts to listen and returns the port that was bound."""
        conditions = await self._service.refresh()
        await self._report(conditions)
        port = await self._server.start()
        if self._metrics_port is not None:
            await self._metrics_port.start()
        self._report_wait(conditions)
        self._refreshing = asyncio.create_task(self._keep_refreshing())
        return port

    async def use_catalog(self, catalog: Catalog) -> None:
        """Serves other models from now on; calls in flight and connections go on.

        A model that is gone is NOT_SERVING to health checks; a new one is loading until its state
        is next asked for.
        """
        gone = set(self._models) - set(catalog.names)
        self._models = catalog.names
        self._service.use_catalog(catalog)
        for name in gone:
            self._server.set_health(name, serving=False)

    async def stop(self) -> None:
        """Refuses new calls, lets those in flight end for a while, and stops."""
        if self._refreshing is not None:
            self._refreshing.cancel()
        await self._server.stop(self._settings.drain_s)
        if self._metrics_port is not None:
            await self._metrics_port.stop()
        await self._images.close()

    def _register(self, server: aio.Server) -> None:
        servicer = GenerationServicer(
            self._service, self._uploads, image_max_bytes=self._settings.image_max_bytes
        )
        pb_grpc.add_GenerationServiceServicer_to_server(servicer, server)

    async def _keep_refreshing(self) -> None:
        while True:
            await asyncio.sleep(self._settings.state_interval_s)
            try:
                conditions = await self._service.refresh()
                await self._report(conditions)
                self._report_wait(conditions)
            except Exception:  # noqa: BLE001 - whatever failed, the next round may succeed
                # The controller may be restarting; calls go on by the last known states.
                _log.exception("model_states_unknown")

    async def _report(self, conditions: Mapping[str, ModelCondition]) -> None:
        for name, condition in conditions.items():
            callable_ = condition.state in _SERVING or condition.wakes
            self._server.set_health(name, serving=callable_)

    def _report_wait(self, conditions: Mapping[str, ModelCondition]) -> None:
        if not self._load_wait.is_over:
            self._server.set_health("", serving=self._load_wait.ends_with(conditions.values()))


def _metrics_port(metrics: Metrics, settings: GenerationSettings) -> MetricsPort | None:
    if settings.metrics_port is None:
        return None
    ports = metrics_ports(settings.metrics_port, settings.front_replicas)
    return MetricsPort(metrics, settings.host, ports)


def _store_limits(settings: GenerationSettings) -> StoreLimits:
    return StoreLimits(
        max_kept_bytes=settings.image_store_max_bytes,
        max_used_bytes=settings.image_max_bytes_in_flight,
        interactive_share=settings.interactive_share,
    )


def _image_folder(settings: GenerationSettings) -> ImageFolder | None:
    if settings.image_folder is None:
        return None
    return ImageFolder(settings.image_folder, settings.image_folder_max_bytes)


def _upload_limits(settings: GenerationSettings) -> UploadLimits:
    return UploadLimits(settings.max_image_uploads, settings.max_image_uploads_per_client)


def _replay_limits(settings: GenerationSettings) -> ReplayLimits:
    return ReplayLimits(
        max_entries=settings.replay_max_entries,
        max_bytes=settings.replay_max_bytes,
        max_age_s=settings.replay_max_age_s,
    )
