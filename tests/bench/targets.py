"""What a benchmark is to reach, and what it missed."""

from dataclasses import dataclass, field

from tests.bench.scoring_service import say


@dataclass
class Targets:
    """Holds what was measured against what is to be reached.

    Attributes:
        missed: A line for each target that was not reached, in the order of measuring.
    """

    missed: list[str] = field(default_factory=list)

    def at_least(self, what: str, measured: float, target: float) -> None:
        """Notes a figure that is to be as great as the target."""
        self._note(what, measured, f"at least {target:g}", is_met=measured >= target)

    def at_most(self, what: str, measured: float, target: float) -> None:
        """Notes a figure that is to be as small as the target."""
        self._note(what, measured, f"at most {target:g}", is_met=measured <= target)

    def _note(self, what: str, measured: float, target: str, *, is_met: bool) -> None:
        line = f"{what}: {measured:.3g}, {target}"
        say(f"  {'reached' if is_met else 'MISSED'}: {line}")
        if not is_met:
            self.missed.append(line)
