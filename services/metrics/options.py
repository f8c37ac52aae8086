"""The choices that the benchmark's papers leave open when entities are looked for."""

from dataclasses import dataclass
from enum import StrEnum


class CaseRule(StrEnum):
    """Whether upper and lower case differ."""

    SENSITIVE = "sensitive"
    """"Paris" does not match "paris"."""

    INSENSITIVE = "insensitive"
    """"Paris" matches "paris"; both sides are case-folded as Unicode defines it."""


class BoundaryRule(StrEnum):
    """Where an entity may begin and end."""

    WORD = "word"
    """Not inside a longer word: "art" does not match in "party"."""

    SUBSTRING = "substring"
    """Anywhere: "art" matches in "party"."""


@dataclass(frozen=True, slots=True)
class MatchingOptions:
    """How entities are looked for. Part of the signature of every entity metric.

    The defaults are this project's reading of a point that no source settles (case-sensitive, on
    word boundaries), not a rule of the ExpArt paper.
    """

    case: CaseRule = CaseRule.SENSITIVE
    boundary: BoundaryRule = BoundaryRule.WORD
