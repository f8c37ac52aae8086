"""The port behind which every engine works."""

from collections.abc import AsyncGenerator
from typing import Protocol

from services.generation.domain import EngineRequest, EngineResult


class Engine(Protocol):
    """Generates text for one model.

    An engine runs any number of generations at a time; it queues what exceeds its capacity.
    While it has any, it must yield something for one of them within the entry's ``stall_s``; one
    that is silent for longer counts as hung and is replaced.
    """

    @property
    def version(self) -> str:
        """Version of the engine's software."""

    @property
    def revision(self) -> str:
        """Revision of the weights that run; known once started."""

    @property
    def dtype(self) -> str:
        """Number format of the weights as they run; known once started."""

    async def start(self) -> None:
        """Loads the model.

        Raises:
            ModelFailedError: It cannot be loaded; the message says why in one line.
        """

    def stop(self) -> None:
        """Frees what the model holds, child processes too. Harmless when not started."""

    def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        """Yields pieces of text, none empty, then exactly one result.

        Closing the iterator, or cancelling the task that runs it, ends the generation and frees
        its place.

        Raises:
            CallerError: This request can never succeed, such as PromptTooLongError.
            EngineUnavailableError: The engine is lost.
        """

    async def check_health(self) -> None:
        """Returns if the engine can generate.

        Raises:
            EngineUnavailableError: It cannot any more; the replica must be replaced.
        """

    def running_count(self) -> int:
        """Counts the generations that the engine runs or queues now."""
