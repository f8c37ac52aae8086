"""Watches drivers for a while: whether they live is seen by one's own clock."""

from collections.abc import Sequence
from datetime import datetime

from services.sweep.progress.status import DriverState, DriverStatus
from services.sweep.spec.sharding import Shard


class DriverWatch:
    """Sees at one look after the other who has said something new.

    The clock of another machine may be wrong. So a driver that says it runs is taken to have said
    so when that was first seen here, and not when it says: it is dead when it falls silent here.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[datetime, datetime]] = {}

    def look(self, drivers: Sequence[DriverStatus], now: datetime) -> tuple[DriverStatus, ...]:
        """Takes what the drivers said last.

        Args:
            drivers: What they said, by their clocks.
            now: When they are looked at, by the clock here.

        Returns:
            The same by the clock here.
        """
        return tuple(self._heard(driver, now) for driver in drivers)

    def _heard(self, driver: DriverStatus, now: datetime) -> DriverStatus:
        if driver.state is not DriverState.RUNNING:
            return driver
        said_at, seen_at = self._seen.get(driver.shard, (None, now))
        if said_at != driver.written_at:
            seen_at = now
            self._seen[driver.shard] = (driver.written_at, now)
        return driver.model_copy(update={"written_at": seen_at})


def are_over(drivers: Sequence[DriverStatus], now: datetime) -> bool:
    """Whether every driver of the sweep, at least one, has begun and runs no more."""
    return unheard(drivers) == 0 and all(
        driver.state is not DriverState.RUNNING or driver.seems_dead(now) for driver in drivers
    )


def unheard(drivers: Sequence[DriverStatus]) -> int:
    """How many shards have said nothing yet, of as many as there are."""
    return Shard.parse(drivers[0].shard).count - len(drivers)
