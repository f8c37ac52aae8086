"""How long a client waits for an answer."""

import time

# As long as the service itself gives a generation whose caller set no deadline.
TIMEOUT_S = 600.0
# A listing is answered from memory; waiting longer would only hide that the service is not there.
LIST_TIMEOUT_S = 10.0


class Patience:
    """What is left of the time that a caller gave, over all the calls that are made for it.

    Args:
        timeout_s: Seconds from now.
    """

    def __init__(self, timeout_s: float) -> None:
        self._ends_at = time.monotonic() + timeout_s

    @property
    def left_s(self) -> float:
        """Seconds that are left, at least 0: gRPC answers DEADLINE_EXCEEDED then."""
        return max(0.0, self._ends_at - time.monotonic())
