"""The front as Ray Serve runs it: a deployment with a gRPC server of our own inside."""

from services.generation.catalog import Catalog, ModelSpec
from services.generation.front import Front
from services.generation.serve_router import ServeRouter
from services.generation.settings import GenerationSettings
from services.telemetry.logging import configure_logging


class FrontReplica:
    """Serves gRPC beside Serve; Serve starts, watches and replaces it.

    Args:
        specs: The models to serve.
        settings: Address, limits and intervals; the port must not be 0.
    """

    async def __init__(self, specs: list[ModelSpec], settings: GenerationSettings) -> None:  # type: ignore[misc]
        configure_logging(json=True)
        catalog = Catalog({spec.name: spec for spec in specs})
        self._front = Front(catalog, ServeRouter(catalog), settings, reuse_port=True)
        await self._front.start()

    async def check_health(self) -> None:
        """Is well as long as its event loop answers."""

    async def __del__(self) -> None:
        """Drains; Serve awaits it when it retires the replica."""
        await self._front.stop()
