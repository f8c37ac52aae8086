"""What is promised, and how fast a fault may use up what the promise leaves."""

from dataclasses import dataclass

# Over how long a promise is kept.
PERIOD_DAYS = 30
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


@dataclass(frozen=True, slots=True)
class Promise:
    """A service-level objective.

    Attributes:
        name: What it is of, in the names of recorded series.
        objective: Part of the events that are good over the period, 0 to 1.
        limit_s: Seconds above which an event is bad; 0 where its end decides.
        level: Labels that the recorded series keep, as their names begin.
    """

    name: str
    objective: float
    level: str
    limit_s: float = 0.0

    @property
    def objective_record(self) -> str:
        """Name of the series that holds the objective."""
        return f"expart:{self.name}:objective"

    def record(self, window: str) -> str:
        """Name of the series with the part of bad events over a window."""
        return f"{self.level}:expart_{self.name}_missed:ratio_rate{window}"

    @property
    def count_record(self) -> str:
        """Name of the series with the number of events of the last hour."""
        return f"{self.level}:expart_{self.name}_events:increase1h"


# A call is missed when it ends by the service's fault or runs out of time; an overload, which
# callers are told to wait for, is not.
AVAILABILITY = Promise("availability", 0.995, "namespace_component")
# Of interactive calls; those of sweeps may wait.
TIME_TO_FIRST_TOKEN = Promise("time_to_first_token", 0.95, "namespace_model", limit_s=5.0)


@dataclass(frozen=True, slots=True)
class Burn:
    """A speed at which a fault uses up a promise, and over what times it is looked for.

    The long window says that it matters, the short one that it still goes on.

    Attributes:
        speed: How many times as fast as would use up the promise just at the period's end.
        kind: ``fast`` or ``slow``.
    """

    speed: float
    long: str
    short: str
    kind: str
    severity: str
    after: str


# The windows and speeds of the SRE workbook (chapter 5, table 5-8), where 14.4 uses up 2 % of a
# month's budget in an hour, 6 uses up 5 % in six hours, 3 and 1 use up 10 % in a day and three.
BURNS = (
    Burn(14.4, "1h", "5m", "fast", "critical", "2m"),
    Burn(6, "6h", "30m", "fast", "critical", "15m"),
    Burn(3, "1d", "2h", "slow", "warning", "1h"),
    Burn(1, "3d", "6h", "slow", "warning", "3h"),
)
# With fewer events an hour, a single one would decide.
FEWEST_EVENTS = 20
