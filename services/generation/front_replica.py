"""The front as Ray Serve runs it: a deployment with a gRPC server of our own inside."""

import asyncio

import structlog
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from services.generation.catalog import Catalog, ModelSpec
from services.generation.front import Front
from services.generation.messages import one_line
from services.generation.serve_router import ServeRouter
from services.generation.settings import GenerationSettings
from services.generation.standard_streams import use_own_standard_streams
from services.telemetry.logging import configure_logging
from services.telemetry.tracer import start_tracing, stop_tracing

PROGRAM = "expart-generation-front"

_log = structlog.get_logger()


class FrontConfig(BaseModel):
    """What Serve tells the front, at its start and whenever it changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: list[ModelSpec]

    def catalog(self) -> Catalog:
        """Gives the models as a catalog."""
        return Catalog({spec.name: spec for spec in self.models})


class FrontReplica:
    """Serves gRPC beside Serve; Serve starts, watches and replaces it.

    Args:
        settings: Address, limits and intervals; the port must not be 0.
    """

    def __init__(self, settings: GenerationSettings) -> None:
        use_own_standard_streams()
        configure_logging(json=True, fields={"program": PROGRAM})
        start_tracing(PROGRAM)
        self._settings = settings
        self._front: Front | None = None
        self._router: ServeRouter | None = None

    async def reconfigure(self, user_config: dict[str, JsonValue]) -> None:
        """Takes the models to serve: Serve calls it after the start and for every change.

        Calls in flight go on, and the connections stay. A change that cannot be read is logged,
        and the front goes on as before.

        Raises:
            ValidationError: The models to start with cannot be read.
        """
        try:
            catalog = FrontConfig.model_validate(user_config).catalog()
        except ValidationError as error:
            if self._front is None:
                raise
            _log.error("catalog_refused", error=one_line(error))
            return
        if self._front is None or self._router is None:
            self._router = ServeRouter(catalog)
            self._front = Front(catalog, self._router, self._settings, reuse_port=True)
            await self._front.start()
            return
        self._router.use_catalog(catalog)
        await self._front.use_catalog(catalog)
        _log.info("catalog_changed", models=list(catalog.names))

    async def calls_in_flight(self) -> int:
        """Counts the calls that this front has let in and that have not ended."""
        return 0 if self._front is None else self._front.calls_in_flight

    async def check_health(self) -> None:
        """Is well as long as its event loop answers."""

    async def __del__(self) -> None:
        """Drains; Serve awaits it when it retires the replica."""
        if self._front is not None:
            await self._front.stop()
        await asyncio.to_thread(stop_tracing)  # it may wait for the collector
