"""Rows that become durable together."""

from dataclasses import dataclass, field

from services.sweep.results.rows import FailureRow, GenerationRow, ScoreRow


@dataclass(slots=True)
class ResultBatch:
    """Rows that are, or are about to be, made durable together.

    ``commit_s`` is how many seconds that took.
    """

    generations: list[GenerationRow] = field(default_factory=list)
    scores: list[ScoreRow] = field(default_factory=list)
    failures: list[FailureRow] = field(default_factory=list)
    commit_s: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether there is no row at all."""
        return not (self.generations or self.scores or self.failures)
