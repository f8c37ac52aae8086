"""What a replica logs of generations that failed by its engine's fault."""

import time
from collections.abc import Callable

import structlog

from services.core.errors import EngineUnavailableError, GenerationAbortedError, ServiceError
from services.generation.messages import one_line
from services.telemetry.event_limit import EventLimit

_log = structlog.get_logger()

# An engine that dies fails all that it has at once: a few of them tell as much as all.
MAX_EVENTS_A_SECOND = 5
_ENGINES_FAULTS = (EngineUnavailableError, GenerationAbortedError)


class FailureLog:
    """Logs ``generation_failed``: a caller learns that the engine failed, and the log of what.

    What the caller is the cause of, or a deadline, is the front's to log.

    Args:
        clock: Seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = EventLimit(1.0, clock)

    def note(self, error: Exception) -> None:
        """Takes what ended a generation; called in the context that the event is to name."""
        if isinstance(error, ServiceError) and not isinstance(error, _ENGINES_FAULTS):
            return
        if not self._limit.allows(type(error).__name__, MAX_EVENTS_A_SECOND):
            return
        if not isinstance(error, ServiceError):
            _log.error("generation_failed", reason=type(error).__name__, exc_info=error)
            return
        root = _root(error)
        cause = {} if root is error else {"cause": f"{type(root).__name__}: {one_line(root)}"}
        _log.error("generation_failed", reason=error.reason.value, error=error.message, **cause)


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error
