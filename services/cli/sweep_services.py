"""The services that a sweep's questions go to: those that run already, or a stack of its own."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from services.cli.catalog_directory import CatalogDirectory
from services.cli.connection_options import Connection
from services.cli.settings import CliSettings
from services.cli.stack import local_stack, pinned_catalog
from services.core.errors import UserInputError
from services.sweep.plan.directory import ModelDirectory
from services.sweep.remote.endpoints import Endpoints
from services.sweep.remote.listing import served_models
from services.sweep.spec.spec import SweepSpec


def chosen_endpoints(
    settings: CliSettings, connection: Connection, *, local: bool, generation: str, scoring: str
) -> Endpoints | None:
    """Where the command line says that the services run; none for a stack on this machine.

    Raises:
        UserInputError: It says neither, or both, or wrong addresses.
    """
    if local == bool(generation or scoring) or bool(generation) != bool(scoring):
        raise UserInputError("give either --local, or both --generation and --scoring")
    if local:
        return None
    security = connection.security(settings, generation=generation, scoring=scoring)
    return Endpoints(generation=generation, scoring=scoring, security=security)


class SweepServices:
    """The services for the models of one spec.

    Args:
        spec: Names the models.
        endpoints: Where the services run; none for a stack on this machine.
        settings: Where the logs of a stack go.
        console: Told what is waited for.

    Raises:
        UserInputError: The stack's catalog is wrong, or lacks a model.
    """

    def __init__(
        self, spec: SweepSpec, endpoints: Endpoints | None, settings: CliSettings, console: Console
    ) -> None:
        self._names = tuple(dict.fromkeys(choice.model for choice in spec.models))
        self._at_a_time = spec.max_parallel_models
        self._endpoints = endpoints
        self._settings = settings
        self._console = console
        # A stack loads what was planned, whatever becomes of a branch of the hub meanwhile.
        self._catalog = None if endpoints else pinned_catalog(self._names, console)

    def directory(self, patience_s: float) -> ModelDirectory:
        """Says what the models are; a stack need not run for that.

        Args:
            patience_s: For how long to wait for the next model that is being loaded.

        Raises:
            ServiceError: The generation service failed or is not there.
        """
        if self._catalog is not None:
            return CatalogDirectory(self._catalog)
        assert self._endpoints is not None, "there is either a catalog or a service"
        listing = served_models(
            self._endpoints.generation,
            self._endpoints.security,
            awaited=self._names,
            patience_s=patience_s,
            note=lambda text: self._console.print(text, markup=False, soft_wrap=True),
        )
        return asyncio.run(listing)

    @contextmanager
    def running(self) -> Iterator[Endpoints]:
        """Gives the services' addresses, and has the stack run for as long as the context lasts.

        Raises:
            LocalStackError: A service of the stack did not start, or a model could not be loaded.
        """
        if self._endpoints is not None:
            yield self._endpoints
            return
        with local_stack(
            self._settings,
            self._names,
            self._console,
            catalog=self._catalog,
            at_a_time=self._at_a_time,
            plaintext=True,
        ) as stack:
            yield stack.endpoints
