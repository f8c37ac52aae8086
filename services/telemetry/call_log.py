"""One log event for every call that ended, as long as there are not too many of them."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass

import structlog

from services.telemetry.event_limit import EventLimit

_log = structlog.get_logger()

# An event costs some 50 µs: this many a second of every code take one part in a hundred of a core,
# and are as many as anybody reads.
MAX_EVENTS_PER_CODE = 20
WINDOW_S = 1.0
# Callers may make up names of methods; this bounds what a flood of them costs.
MAX_COUNTED_METHODS = 50
MAX_METHOD_CHARS = 200
OTHER_METHODS = "(others)"

# Overload comes in floods whose calls are all alike; a count says more than the calls.
_SUMMARISED_CODES = frozenset({"RESOURCE_EXHAUSTED"})
_WARNING_CODES = frozenset(
    {
        "ABORTED",
        "DEADLINE_EXCEEDED",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "UNAUTHENTICATED",
        "UNAVAILABLE",
    }
)
_ERROR_CODES = frozenset({"DATA_LOSS", "INTERNAL", "UNKNOWN"})
_QUIET_CODES = frozenset({"OK", "CANCELLED"})


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """What is told of a call; never a text that it carried, nor its token.

    Attributes:
        method: Full name of the method, such as ``/expart.scoring.v1.ScoringService/ListMetrics``.
        client: Who called: the name of the token or of the certificate, or the address.
        code: Name of the gRPC status code.
        duration_s: Seconds from when the method was found to its end.
        address: Address that the call came from.
        reason: The error's name, if the call failed with one of ours.
        is_probe: Whether it was a health check.
    """

    method: str
    client: str
    code: str
    duration_s: float
    address: str
    reason: str = ""
    is_probe: bool = False


class CallLog:
    """Writes an event for every call that ended: ``call_finished``.

    In every second, at most :data:`MAX_EVENTS_PER_CODE` events of a status code are written, and
    one of an overload; the others are counted, and the counts follow as ``calls_not_logged`` when
    the second is over. Health checks are written at debug level.

    Args:
        clock: Seconds that never run backwards.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = EventLimit(WINDOW_S, clock)
        self._left_out: Counter[tuple[str, str]] = Counter()
        self._flushing: asyncio.TimerHandle | None = None

    def record(self, call: FinishedCall) -> None:
        """Takes a call that ended; called in the event loop."""
        if call.is_probe:
            _log.debug("call_finished", **_fields(call))
            return
        if not self._may_write(call.code):
            self._leave_out(call)
            return
        if call.code in _ERROR_CODES:
            _log.error("call_finished", **_fields(call))
        elif call.code in _WARNING_CODES:
            _log.warning("call_finished", **_fields(call))
        else:
            _log.info("call_finished", **_fields(call))

    def crashed(self, method: str, request_id: str, error: BaseException) -> None:
        """Takes an error that nobody foresaw, with its traceback; as bounded as the calls."""
        if self._may_write("traceback"):
            _log.error("call_failed", method=method, request_id=request_id, exc_info=error)

    def flush(self) -> None:
        """Writes what has only been counted so far."""
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        left_out, self._left_out = self._left_out, Counter()
        for (method, code), count in sorted(left_out.items()):
            _log.warning("calls_not_logged", method=method, code=code, count=count)

    def _may_write(self, kind: str) -> bool:
        most = 1 if kind in _SUMMARISED_CODES else MAX_EVENTS_PER_CODE
        return self._limit.allows(kind, most)

    def _leave_out(self, call: FinishedCall) -> None:
        key = (call.method[:MAX_METHOD_CHARS], call.code)
        if key not in self._left_out and len(self._left_out) >= MAX_COUNTED_METHODS:
            key = (OTHER_METHODS, call.code)
        self._left_out[key] += 1
        if self._flushing is None:
            # In a context of its own: the counts are of many calls, and name the request of none.
            loop, rest_s = asyncio.get_running_loop(), self._limit.rest_s
            self._flushing = loop.call_later(rest_s, self.flush, context=Context())


def _fields(call: FinishedCall) -> dict[str, str | float]:
    fields: dict[str, str | float] = {
        "method": call.method[:MAX_METHOD_CHARS],
        "client": call.client,
        "code": call.code,
        "duration_s": round(call.duration_s, 6),
    }
    if call.code not in _QUIET_CODES:
        fields |= {"address": call.address, "reason": call.reason}
    return fields
