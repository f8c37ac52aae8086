"""How long to go on with a service that cannot answer now."""

import math
import random

from services.core.errors import (
    OverloadedError,
    PermissionDeniedError,
    ServiceError,
    TransientError,
    UnauthenticatedError,
)
from services.scoring.score_file.row_scorer import ScoreFileError

_FIRST_BACKOFF_S = 0.25
_LONGEST_BACKOFF_S = 10.0


class Patience:
    """Says after each failure how long to wait, until there were only failures for too long.

    Args:
        limit_s: For how long there may be nothing but failures.
        place: What messages call the service.
    """

    def __init__(self, limit_s: float, place: str) -> None:
        self._limit_s = limit_s
        self._place = place
        self._failing_since_s: float | None = None
        self._failures = 0

    def restore(self) -> bool:
        """Takes note of a success; says whether there were failures before it."""
        was_failing = self._failing_since_s is not None
        self._failing_since_s, self._failures = None, 0
        return was_failing

    def delay_after(self, error: ServiceError, now_s: float) -> float:
        """Takes note of a failure.

        Returns:
            Seconds to wait: ever longer, half of it left to chance, and no less than was asked for;
            but no longer than patience lasts.

        Raises:
            UnauthenticatedError: The caller must name another token or other certificates.
            PermissionDeniedError: The same.
            ScoreFileError: Trying again is of no use, or there were only failures for too long.
        """
        if isinstance(error, UnauthenticatedError | PermissionDeniedError):
            raise type(error)(f"{self._place}: {error.message}") from error
        if not isinstance(error, TransientError):
            raise ScoreFileError(f"{self._place}: {error.message}") from error
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        failing_s = now_s - self._failing_since_s
        if failing_s > self._limit_s:
            raise ScoreFileError(
                f"{self._place}: given up after {failing_s:.0f} s: {error.message}"
            ) from error
        longest_s = min(_LONGEST_BACKOFF_S, math.ldexp(_FIRST_BACKOFF_S, min(self._failures, 16)))
        self._failures += 1
        delay_s = longest_s * (0.5 + random.random() / 2)  # noqa: S311 - spreads many callers
        if isinstance(error, OverloadedError):
            delay_s = max(delay_s, error.retry_after_s)
        # The last attempt is made when patience ends, and not long after it.
        return min(delay_s, self._limit_s - failing_s)
