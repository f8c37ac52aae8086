"""What an output holds already, as far as planning needs it: keys, not texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class ScoredAgainst(NamedTuple):
    """What an explanation's last scores were computed against, and how."""

    reference_digest: str
    signatures_digest: str


@dataclass(frozen=True, slots=True)
class StoredResults:
    """What the tables of an output hold already.

    Attributes:
        generated: Keys with a stored explanation.
        scored: For each key, what its last scores were computed against, unless retired.
        failed: Keys whose generation failed in a way that asking again does not mend.
        scoring_failed: For each key, what scoring it against failed for good.
        without_picture: Keys whose picture is recorded as missing.
        other_scorings: Signatures' digests of scores that the spec does not ask for.
    """

    generated: frozenset[str] = frozenset()
    scored: Mapping[str, ScoredAgainst] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()
    scoring_failed: Mapping[str, str] = field(default_factory=dict)
    without_picture: frozenset[str] = frozenset()
    other_scorings: frozenset[str] = frozenset()
