"""Rows that become durable together."""

from dataclasses import dataclass, field

from services.sweep.results.rows import FailureRow, GenerationRow, ScoreRow


@dataclass(slots=True)
class ResultBatch:
    """Rows that are, or are about to be, made durable together.

    Attributes:
        generations: Explanations.
        scores: Scores of explanations, of this batch or of earlier ones.
        failures: Failures.
        files: Files of the shard's folder, which are replaced before the rows are stored.
        results: How many explanations, scored explanations and failures these are.
        commit_s: How many seconds it took to make them durable.
    """

    generations: list[GenerationRow] = field(default_factory=list)
    scores: list[ScoreRow] = field(default_factory=list)
    failures: list[FailureRow] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    results: int = 0
    commit_s: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing at all."""
        return not (self.generations or self.scores or self.failures or self.files)
