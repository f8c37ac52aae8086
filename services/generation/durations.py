"""How long a model's calls take lately, as far as that tells how long one more will take."""

# A call's weight in the average: about the last 16 count, as a queue's load changes within seconds.
_WEIGHT = 1 / 16
# How far from the average a call may well be, in mean deviations (RFC 6298 takes 4 for timeouts).
_LIKELY_DEVIATIONS = 2.0


class Durations:
    """A moving average of durations in seconds, and of how far they lie from it."""

    def __init__(self) -> None:
        self._mean_s: float | None = None
        self._deviation_s = 0.0

    @property
    def mean_s(self) -> float | None:
        """The average; None before the first duration."""
        return self._mean_s

    @property
    def likely_most_s(self) -> float:
        """What most calls stay below; 0 while nothing is known."""
        return (self._mean_s or 0.0) + _LIKELY_DEVIATIONS * self._deviation_s

    def note(self, duration_s: float) -> None:
        """Takes the duration of one more call."""
        if self._mean_s is None:
            self._mean_s = duration_s
            self._deviation_s = duration_s / 2
            return
        self._deviation_s += _WEIGHT * (abs(duration_s - self._mean_s) - self._deviation_s)
        self._mean_s += _WEIGHT * (duration_s - self._mean_s)
