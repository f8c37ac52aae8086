"""How long a client waits for an answer."""

import math
import time

from services.core.errors import UserInputError

# As long as the service itself gives a generation whose caller set no deadline.
TIMEOUT_S = 600.0
# A listing is answered from memory; waiting longer would only hide that the service is not there.
LIST_TIMEOUT_S = 10.0
# Three years; what gRPC cannot count, infinity too, would end the call at once.
_LONGEST_S = 1e8


class Patience:
    """What is left of the time that a caller gave, over all the calls that are made for it.

    Args:
        timeout_s: Seconds from now; infinity for no limit.

    Raises:
        UserInputError: It is no number of seconds.
    """

    def __init__(self, timeout_s: float) -> None:
        try:
            is_number = not math.isnan(timeout_s)
        except TypeError:
            is_number = False
        if not is_number:
            raise UserInputError(f"timeout_s must be a number of seconds, not {timeout_s!r}")
        self._ends_at = time.monotonic() + min(timeout_s, _LONGEST_S)

    @property
    def left_s(self) -> float:
        """Seconds that are left, at least 0: gRPC answers DEADLINE_EXCEEDED then."""
        return max(0.0, self._ends_at - time.monotonic())
