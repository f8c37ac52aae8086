"""The whole stack on this machine: Ray Serve with the models, and the scoring service."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from services.cli.loading_display import LoadingDisplay
from services.cli.scoring_process import scoring_process
from services.cli.settings import CliSettings
from services.generation.catalog import Catalog, load_catalog
from services.generation.local import start_local
from services.generation.settings import GenerationSettings
from services.sweep.endpoints import Endpoints


def local_catalog() -> Catalog:
    """Reads the model catalog that the environment names, by default the project's own.

    Raises:
        UserInputError: The catalog is wrong.
    """
    settings = GenerationSettings()
    return load_catalog(settings.catalog_folder, settings.models_folder)


@contextmanager
def local_stack(
    settings: CliSettings, models: tuple[str, ...], console: Console, *, port: int = 0
) -> Iterator[Endpoints]:
    """Runs the stack on loopback ports for as long as the context lasts.

    Args:
        settings: Where the logs go.
        models: Names of the models to load.
        console: Shows what is being loaded.
        port: Port of the generation service; 0 picks a free one.

    Yields:
        The services' addresses, once every model answers.

    Raises:
        UserInputError: A model is unknown, or the port is in use.
        LocalStackError: A service did not start, or a model could not be loaded.
    """
    catalog = local_catalog().select(models)
    with scoring_process(settings.log_folder) as scoring:
        with LoadingDisplay(models, console) as display:
            generation = start_local(
                catalog,
                models,
                front_port=port,
                progress=display.update,
                log_path=settings.log_folder / "generation.log",
            )
        with generation:
            yield Endpoints(generation=generation.address, scoring=scoring)
