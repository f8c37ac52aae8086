"""What came of a run of a sweep."""

from dataclasses import dataclass

from services.sweep.progress.snapshot import ModelProgress


@dataclass(frozen=True, slots=True)
class SweepOutcome:
    """What came of a run.

    Attributes:
        models: The final counts.
        unscored: Stored explanations that still have no scores; the next run computes them.
        to_ask_again: Questions that failed in this run for a reason that may pass; the next run
            asks them again.
        stopped: Whether the run was asked to stop before its end.
    """

    models: tuple[ModelProgress, ...]
    unscored: int
    to_ask_again: int
    stopped: bool

    @property
    def unasked(self) -> int:
        """Questions that have no result yet; the next run asks them."""
        return sum(model.planned - model.done - model.failed for model in self.models)

    @property
    def failed(self) -> int:
        """Questions that failed, or have no picture."""
        return sum(model.failed for model in self.models)

    @property
    def complete(self) -> bool:
        """Whether no question is left that a later run asks again, and no answer to be scored."""
        return self.unasked == 0 and self.unscored == 0 and self.to_ask_again == 0

    @property
    def left(self) -> str:
        """Says for people what a later run still does; empty where it is complete."""
        parts = {
            "to be asked": self.unasked,
            "failed and to be asked again": self.to_ask_again,
            "answered and to be scored": self.unscored,
        }
        return ", ".join(f"{count:,} {what}" for what, count in parts.items() if count)
