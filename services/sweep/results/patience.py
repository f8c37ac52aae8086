"""How long an object store is waited for that does not answer."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from services.sweep.results.folder import StoreUnavailableError


@dataclass(frozen=True, slots=True)
class CommitPatience:
    """How long a commit is tried again while an object store does not answer.

    Attributes:
        limit_s: Seconds in all after which it is given up.
        first_pause_s: The first pause; each is twice as long as the one before.
        longest_pause_s: The longest pause.
    """

    limit_s: float = 120.0
    first_pause_s: float = 0.5
    longest_pause_s: float = 15.0

    def bear(self, call: Callable[[], None]) -> None:
        """Calls until an object store answers.

        Raises:
            StoreUnavailableError: It did not within the limit.
        """
        pause_s, until = self.first_pause_s, time.monotonic() + self.limit_s
        while True:
            try:
                return call()
            except StoreUnavailableError:
                if time.monotonic() + pause_s > until:
                    raise
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, self.longest_pause_s)
