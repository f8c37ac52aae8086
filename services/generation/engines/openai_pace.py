"""Keeps to an endpoint's rate limits: how many requests at a time, and when none at all."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import structlog

from services.core.errors import OverloadedError

_log = structlog.get_logger()

# A request that waits longer than this is better off being sent again by its caller.
_LONGEST_WAIT_S = 30.0
# Nobody looks again after this, however long the endpoint says.
_LONGEST_PAUSE_S = 3600.0
# What the counters of a limit imply is a guess; the endpoint refuses if it was too short.
_LONGEST_GUESSED_PAUSE_S = 5.0

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class EndpointPace:
    """Bounds the requests in flight, and pauses all of them when the endpoint asks for it.

    Args:
        model: Name for messages.
        max_concurrent_requests: Most requests in flight.
        clock: Seconds on the clock that deadlines are on; by default the running event loop's.
    """

    def __init__(
        self,
        model: str,
        max_concurrent_requests: int,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._model = model
        self._places = asyncio.Semaphore(max_concurrent_requests)
        self._clock = clock or asyncio.get_running_loop().time
        self._resumes_at = float("-inf")

    @property
    def pause_left_s(self) -> float:
        """Seconds until requests may be sent again; 0 while they may."""
        return max(0.0, self._resumes_at - self._clock())

    @asynccontextmanager
    async def place(self, deadline: float) -> AsyncGenerator[None]:
        """Waits for one of the places.

        Raises:
            OverloadedError: None was free before the deadline, or a long pause is on.
        """
        self._refuse_long_pause(deadline)
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock())):
                await self._places.acquire()
        except TimeoutError as error:
            raise OverloadedError(
                f"all requests that the endpoint of {self._model} gets at a time are taken"
            ) from error
        try:
            yield
        finally:
            self._places.release()

    async def wait_until_resumed(self, deadline: float) -> None:
        """Returns when requests may be sent.

        Raises:
            OverloadedError: That is too long to wait for, or after the deadline.
        """
        while self.pause_left_s > 0:
            self._refuse_long_pause(deadline)
            await asyncio.sleep(self.pause_left_s)

    def pause(self, duration_s: float) -> None:
        """Lets no request start for that long; what is in flight goes on."""
        duration_s = min(duration_s, _LONGEST_PAUSE_S)
        if self._clock() + duration_s > self._resumes_at:
            self._resumes_at = self._clock() + duration_s
            _log.warning("endpoint_paused", model=self._model, duration_s=round(duration_s, 3))

    def note_limits(self, headers: Mapping[str, str]) -> None:
        """Pauses briefly if an answer's headers say that a limit is used up."""
        for what in ("requests", "tokens"):
            if headers.get(f"x-ratelimit-remaining-{what}", "").strip() != "0":
                continue
            reset_s = duration_of(headers.get(f"x-ratelimit-reset-{what}", ""))
            if reset_s is None:
                continue
            limit = headers.get(f"x-ratelimit-limit-{what}", "").strip()
            if what == "requests" and limit.isdecimal() and int(limit) > 0:
                # The reset is when all are back; they come back one by one.
                reset_s /= int(limit)
            self.pause(min(reset_s, _LONGEST_GUESSED_PAUSE_S))

    def _refuse_long_pause(self, deadline: float) -> None:
        left_s = self.pause_left_s
        if left_s > _LONGEST_WAIT_S or (left_s > 0 and self._resumes_at >= deadline):
            raise OverloadedError(
                f"the endpoint of {self._model} takes no requests for another {left_s:.1f} s: "
                "its rate limit is reached",
                retry_after_s=left_s,
            )


def retry_after_of(headers: Mapping[str, str]) -> float | None:
    """Reads how many seconds a refusal asks to wait, as a number or a date; None if not at all."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "").strip()
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year of twenty digits
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def duration_of(text: str) -> float | None:
    """Reads a duration such as ``6m0s``, ``1.5s``, ``120ms`` or plain seconds; None if it is none.

    Source: https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers".
    """
    text = text.strip()
    seconds = _number(text)
    if seconds is not None:
        return seconds
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*\d{1,12}(\.\d{1,12})?\s*", text) else None
