"""What a metric answers for one explanation: a value, or the reason why there is none."""

from dataclasses import dataclass
from enum import StrEnum


class UnscorableReason(StrEnum):
    """Why a metric has no value for an item. Depends on the reference side only.

    So the same questions are scorable for every model, and means over them stay comparable.
    """

    NO_ENTITIES = "NO_ENTITIES"
    """The item has no entities."""

    NO_REFERENCE_PAIRS = "NO_REFERENCE_PAIRS"
    """No two entities of the reference occur together in the metric's window."""

    ENTITIES_NOT_IN_REFERENCE = "ENTITIES_NOT_IN_REFERENCE"
    """No entity occurs in the reference, so that there is nothing to recall."""


@dataclass(frozen=True, slots=True)
class Unscorable:
    """The outcome of a metric that is not defined for an item.

    Attributes:
        reason: Why.
    """

    reason: UnscorableReason


@dataclass(frozen=True, slots=True)
class Score:
    """One metric's result for one explanation.

    Attributes:
        metric: The metric's name, such as ``ec_exact``.
        outcome: The value within the metric's range, or why there is none.
        statistics: Sufficient statistics in the order of the metric's ``statistic_names``; sums of
            them over items give corpus values and micro means. All zero where unscorable.
        signature: Everything that can change the value. Scores with different signatures must not
            be averaged or ranked together.
    """

    metric: str
    outcome: float | Unscorable
    statistics: tuple[float, ...]
    signature: str

    @property
    def value(self) -> float | None:
        """The value, or None where the item is unscorable."""
        return None if isinstance(self.outcome, Unscorable) else self.outcome
