"""The whole stack on this machine: Ray Serve with the models, and the scoring service."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Never

from rich.console import Console

from services.cli.loading_display import LoadingDisplay
from services.cli.scoring_process import ScoringProcess, scoring_process
from services.cli.settings import CliSettings
from services.generation.catalog import Catalog, load_catalog
from services.generation.hub_commits import pin_catalog
from services.generation.local import LocalGeneration, LocalStackError, start_local
from services.generation.settings import GenerationSettings
from services.rpc.read_settings import read_settings
from services.sweep.remote.endpoints import Endpoints

_WATCH_INTERVAL_S = 1.0


def local_catalog() -> Catalog:
    """Reads the model catalog that the environment names, by default the project's own.

    Raises:
        UserInputError: The catalog, or a variable of the environment, is wrong.
    """
    settings = read_settings(GenerationSettings)
    return load_catalog(settings.catalog_folder, settings.models_folder)


def pinned_catalog(models: tuple[str, ...], console: Console) -> Catalog:
    """Describes models of the local catalog with the commits that a stack is to load.

    Args:
        models: Their names.
        console: Told of each branch of the hub that was taken for the commit it is at.

    Raises:
        UserInputError: The catalog is wrong, a model unknown, or a branch's commit cannot be found.
    """

    def note(message: str) -> None:
        console.print(message, markup=False, soft_wrap=True)

    return pin_catalog(local_catalog().select(models), note)


class RunningStack:
    """The stack while it runs.

    Args:
        generation: The generation service with its models.
        scoring: The scoring service.
    """

    def __init__(self, generation: LocalGeneration, scoring: ScoringProcess) -> None:
        self._generation = generation
        self._scoring = scoring

    @property
    def endpoints(self) -> Endpoints:
        """Where the services listen."""
        return Endpoints(generation=self._generation.address, scoring=self._scoring.address)

    def watch(self) -> Never:
        """Returns never: it waits until a service is lost, or for Ctrl-C.

        Raises:
            LocalStackError: A service ended by itself; the message names its log.
        """
        while True:
            if self._generation.wait(_WATCH_INTERVAL_S):
                raise _lost("generation", self._generation.log_path)
            if self._scoring.process.poll() is not None:
                raise _lost("scoring", self._scoring.log_path)


def _lost(service: str, log_path: Path) -> LocalStackError:
    return LocalStackError(f"the {service} service ended by itself; see {log_path}")


@contextmanager
def local_stack(
    settings: CliSettings,
    models: tuple[str, ...],
    console: Console,
    *,
    catalog: Catalog | None = None,
    at_a_time: int | None = None,
    port: int = 0,
    plaintext: bool = False,
) -> Iterator[RunningStack]:
    """Runs the stack on loopback ports for as long as the context lasts.

    Args:
        settings: Where the logs go.
        models: Names of the models to load.
        console: Shows what is being loaded.
        catalog: Where they are described; by default the catalog that the environment names.
        at_a_time: How many of them are called at the same time, at most; by default all.
        port: Port of the generation service; 0 picks a free one.
        plaintext: Leaves certificates and tokens out that the environment names, for a stack that
            only this process calls.

    Yields:
        The running stack, once every model answers.

    Raises:
        UserInputError: A model is unknown, or the port is in use.
        LocalStackError: A service did not start, or a model could not be loaded.
    """
    catalog = local_catalog() if catalog is None else catalog
    generation_settings = read_settings(GenerationSettings)
    if plaintext:
        generation_settings = generation_settings.in_plaintext()
    with scoring_process(settings.log_folder, plaintext=plaintext) as scoring:
        with LoadingDisplay(models, console) as display:
            generation = start_local(
                catalog,
                models,
                front_port=port,
                progress=display.update,
                log_path=settings.log_folder / "generation.log",
                settings=generation_settings,
                at_a_time=at_a_time,
            )
        with generation:
            yield RunningStack(generation, scoring)
