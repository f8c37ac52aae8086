"""How answers were scored: by which metrics and options, beside the signatures that came of it.

Scores name the metrics and signatures that they were computed with by one digest. A digest alone
does not say whether a spec asks for such scores, and whoever plans asks no scoring service: each
shard's manifest notes what every digest in its tables came of, before the first row with it.
"""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from services.sweep.spec.sections import ScoringSection
from services.sweep.spec.spec import SweepSpec


class Scoring(BaseModel):
    """A way of scoring, and the digest that its scores carry.

    Attributes:
        metrics: Names of the metrics; empty for the service's own choice.
        options: The choices that the benchmark leaves open.
        signatures_digest: Names the metrics with the signatures that the service gave.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metrics: tuple[str, ...]
    options: ScoringSection
    signatures_digest: str

    def is_asked_by(self, spec: SweepSpec) -> bool:
        """Whether a spec asks for such scores."""
        return set(self.metrics) == set(spec.metrics) and self.options == spec.scoring_options


def other_scorings(known: Iterable[Scoring], spec: SweepSpec) -> frozenset[str]:
    """Digests of scores that are known to be others than those that a spec asks for."""
    noted = tuple(known)
    asked = {one.signatures_digest for one in noted if one.is_asked_by(spec)}
    return frozenset(one.signatures_digest for one in noted) - asked
