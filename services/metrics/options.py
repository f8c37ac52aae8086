"""The choices that the benchmark's papers leave open."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from services.core.errors import FieldViolation, InvalidRequestError

RuleT = TypeVar("RuleT", bound=StrEnum)


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
    """Anywhere: "art" matches in "party". Only letters are not cut from their marks."""


class TokenizerRule(StrEnum):
    """What a token is to lengths, the length penalty and the partial match."""

    NLTK = "nltk"
    """As ``nltk.word_tokenize`` splits: words, punctuation marks, parts of contractions."""

    WORDPUNCT = "wordpunct"
    """Runs of word characters, and runs of other visible characters."""

    WHITESPACE = "whitespace"
    """What whitespace separates."""


class PartialMatchRule(StrEnum):
    """How much of an entity a partial match counts."""

    TOKEN_LCS = "token-lcs"
    """The share of its tokens in the longest common subsequence with the candidate's tokens."""

    EXACT_OR_TOKEN_LCS = "exact-or-token-lcs"
    """The same, but all of it where the entity occurs exactly: never below the exact match."""


class NoPairsRule(StrEnum):
    """What co-occurrence says of an item whose reference has no pair of entities."""

    UNSCORABLE = "unscorable"
    """It is left out of the mean and counted apart: the headline."""

    ZERO = "zero"
    """It scores 0."""


class GeneratedEntitiesRule(StrEnum):
    """Which entities count on the candidate's side."""

    REFERENCE_FOUND = "reference-entities-found"
    """The reference's entities that occur in the candidate."""

    GIVEN = "given"
    """Those that come with the item. An entity of the reference that is not among them counts as
    not mentioned, to coverage and co-occurrence; entity F1 counts the occurrences of those given
    for its precision, and those of the reference's entities for its recall."""


@dataclass(frozen=True, slots=True)
class ScoringOptions:
    """The choices that no source settles. Each is part of the signatures that it can change.

    The defaults are this project's readings, not rules of the ExpArt paper. A choice may be given
    by its value, too, such as ``case="insensitive"``.

    Attributes:
        case: Whether upper and lower case differ; by default they do. For all entity metrics.
        boundary: Where an entity may begin and end; by default on word boundaries. For the entity
            metrics that look entities up in a text: not for the partial match of tokens, and not
            for coverage by entities that are given.
        tokenizer: What a token is; by default what NLTK splits. For length, the length penalty,
            co-occurrence because of that, and the partial match. Sentences are Punkt's always.
        partial_match: How much of an entity a partial match counts; by default the share of its
            tokens that are found in order. Makes no difference to entities that are given.
        no_pairs: What co-occurrence says of an item whose reference has no pair of entities; by
            default nothing. :class:`services.metrics.Aggregation` can count such scores as 0, too.
        generated_entities: Which entities count on the candidate's side; by default those of the
            reference that occur in it. For all entity metrics.
        encoder: Signature of the encoder that BERTScore is computed with; empty where there is
            none. :class:`ScoringInput` fills it in from the encoder that it is given.
    """

    case: CaseRule = CaseRule.SENSITIVE
    boundary: BoundaryRule = BoundaryRule.WORD
    tokenizer: TokenizerRule = TokenizerRule.NLTK
    partial_match: PartialMatchRule = PartialMatchRule.TOKEN_LCS
    no_pairs: NoPairsRule = NoPairsRule.UNSCORABLE
    generated_entities: GeneratedEntitiesRule = GeneratedEntitiesRule.REFERENCE_FOUND
    encoder: str = ""

    def __post_init__(self) -> None:
        """Makes rules of values.

        Raises:
            InvalidRequestError: A choice is none of those that there are.
        """
        for field, kind in _RULES:
            value = getattr(self, field)
            if type(value) is not kind:
                object.__setattr__(self, field, rule_of(kind, field, value))
        if not isinstance(self.encoder, str):
            raise _no_choice("encoder", self.encoder, "a string")


_RULES: tuple[tuple[str, type[StrEnum]], ...] = (
    ("case", CaseRule),
    ("boundary", BoundaryRule),
    ("tokenizer", TokenizerRule),
    ("partial_match", PartialMatchRule),
    ("no_pairs", NoPairsRule),
    ("generated_entities", GeneratedEntitiesRule),
)


def rule_of(kind: type[RuleT], field: str, value: str) -> RuleT:
    """Finds the rule that is given by itself or by its value.

    Args:
        kind: The rules that there are.
        field: What the choice is called.
        value: The rule or its value.

    Raises:
        InvalidRequestError: There is no such rule.

    >>> rule_of(CaseRule, "case", "insensitive")
    <CaseRule.INSENSITIVE: 'insensitive'>
    """
    try:
        return kind(value)
    except ValueError:
        raise _no_choice(field, value, "one of " + ", ".join(kind)) from None


def _no_choice(field: str, value: object, allowed: str) -> InvalidRequestError:
    description = f"must be {allowed}, not {repr(value)[:80]}"
    violation = FieldViolation(field, description)
    return InvalidRequestError(f"{field} {description}", violations=(violation,))
