"""The front: our gRPC server and what keeps its view of the models fresh."""

import asyncio
from collections.abc import Mapping

import structlog
from grpc import aio

from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.generation.admission import Admission
from services.generation.catalog import Catalog
from services.generation.domain import ModelCondition, ModelState
from services.generation.explanations import ExplanationService
from services.generation.image_check import ImageChecker
from services.generation.images import ImageLimits
from services.generation.router import ModelRouter
from services.generation.servicer import SERVICE_NAME, GenerationServicer
from services.generation.settings import GenerationSettings
from services.rpc.server import RpcServer

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
        limits = ImageLimits(settings.image_max_bytes, settings.image_max_pixels)
        self._images = ImageChecker(limits)
        admission = Admission(settings.image_max_bytes_in_flight)
        self._service = ExplanationService(catalog, router, self._images, admission)
        self._server = RpcServer(
            settings.address,
            [SERVICE_NAME],
            self._register,
            security=settings.security,
            call_limits=settings.call_limits,
            health_address=settings.health_address,
            reuse_port=reuse_port,
        )
        self._refreshing: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Starts to listen and returns the port that was bound."""
        await self._report(await self._service.refresh())
        port = await self._server.start()
        self._refreshing = asyncio.create_task(self._keep_refreshing())
        return port

    async def stop(self) -> None:
        """Refuses new calls, lets those in flight end for a while, and stops."""
        if self._refreshing is not None:
            self._refreshing.cancel()
        await self._server.stop(self._settings.drain_s)
        self._images.close()

    def _register(self, server: aio.Server) -> None:
        servicer = GenerationServicer(self._service, image_max_bytes=self._settings.image_max_bytes)
        pb_grpc.add_GenerationServiceServicer_to_server(servicer, server)

    async def _keep_refreshing(self) -> None:
        while True:
            await asyncio.sleep(self._settings.state_interval_s)
            try:
                await self._report(await self._service.refresh())
            except Exception:  # noqa: BLE001 - whatever failed, the next round may succeed
                # The controller may be restarting; calls go on by the last known states.
                _log.exception("model_states_unknown")

    async def _report(self, conditions: Mapping[str, ModelCondition]) -> None:
        for name, condition in conditions.items():
            await self._server.set_health(name, serving=condition.state in _SERVING)
