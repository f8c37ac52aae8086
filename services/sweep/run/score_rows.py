"""What is scored, and the rows of the table of scores for it."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol

from services.benchmark.records import Question
from services.sweep.remote.messages import ScoringAnswer
from services.sweep.results.keys import signatures_digest
from services.sweep.results.rows import ScoreRow


class Scorable(Protocol):
    """An answer that is to be scored: a job of a plan, or a stored answer."""

    @property
    def key(self) -> str:
        """Names the answer."""
        ...

    @property
    def question(self) -> Question:
        """Has the reference."""
        ...

    @property
    def reference_digest(self) -> str:
        """Names the reference."""
        ...


def score_rows(scored: Scorable, answer: ScoringAnswer) -> list[ScoreRow]:
    """The rows for one answer, all of one time."""
    now = datetime.now(UTC)
    computed = _signatures_digest(tuple((item.metric, item.signature) for item in answer.scores))
    return [
        ScoreRow(
            key=scored.key,
            reference_digest=scored.reference_digest,
            signatures_digest=computed,
            metric=score.metric,
            value=score.value,
            unscorable=score.unscorable,
            statistics=score.statistics,
            signature=score.signature,
            scored_at=now,
        )
        for score in answer.scores
    ]


@lru_cache(maxsize=16)  # all the answers of a service carry the same
def _signatures_digest(signatures: tuple[tuple[str, str], ...]) -> str:
    return signatures_digest(dict(signatures))
