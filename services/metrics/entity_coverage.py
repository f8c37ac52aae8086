"""Entity coverage (EC): the share of the reference's entities that the candidate mentions.

Source: Hayashi et al., ACL 2024 (arXiv:2403.00068); formulas as restated in arXiv:2609.00629,
appendix A.5. How an entity is looked for, and the token-level reading of the partial match, are
this project's readings of open points and part of the signatures.

The exact match looks for characters between word boundaries, the partial one for whole tokens, and
the two do not cut alike where hyphens and abbreviations are: in "the Louvre-Lens" the entity
"Louvre" occurs, yet is no token of its own; "Washington D.C." ends in the tokens "D.C" and ".",
whereas in the midst of a sentence "D.C." is one token. So an entity's partial share can be below
its exact one, unless the options say that an entity found exactly counts in full.

The candidate's side is its text, and so the entities that occur in it; or else, if the options say
that its entities are given, these. An entity is then covered exactly if it is one of them, and in
part by whichever of them shares the longest common subsequence with it. One that is covered exactly
counts in full: it is its own longest common subsequence, whatever case does to its tokens.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from services.metrics.analysis import EntityInput, TextAnalysis
from services.metrics.metric import Metric, ratio, unscorable
from services.metrics.options import (
    GeneratedEntitiesRule,
    PartialMatchRule,
    ScoringOptions,
)
from services.metrics.outcome import Unscorable, UnscorableReason
from services.metrics.signature import generated_knobs, matching_knobs, signature, token_knobs
from services.metrics.subsequence import TokenSequences

_EXACT_STATISTICS = ("matched_entities", "entities")
_PARTIAL_STATISTICS = ("matched_shares", "entities")

_Outcome = tuple[float | Unscorable, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class EntityCoverage:
    """Entity coverage of one candidate. Both values are 0-1.

    Attributes:
        exact: Share of the entities that the candidate mentions.
        partial: Mean share of an entity's tokens that the candidate has in the entity's order.
    """

    exact: float
    partial: float


def entity_coverage(
    candidate: str | TextAnalysis,
    entities: Iterable[str],
    options: ScoringOptions | None = None,
    candidate_entities: Iterable[str] | None = None,
) -> EntityCoverage | Unscorable:
    """Scores how many of the reference's entities a candidate mentions.

    Args:
        candidate: The explanation; may be empty.
        entities: The reference's entities.
        options: The choices that the benchmark leaves open.
        candidate_entities: The candidate's own entities, if the options say that they are given.

    Returns:
        The coverages, or why there are none: there is no entity.

    Raises:
        InvalidRequestError: An entity is blank or given twice, or the candidate's entities are
            missing or unasked for.

    >>> entity_coverage("The Mona Lisa is by Leonardo.", ["Mona Lisa", "Leonardo da Vinci"])
    EntityCoverage(exact=0.5, partial=0.6666666666666666)
    >>> entity_coverage("A portrait.", [])
    Unscorable(reason=<UnscorableReason.NO_ENTITIES: 'NO_ENTITIES'>)
    """
    item = EntityInput(candidate, entities, options or ScoringOptions(), candidate_entities)
    exact, _ = _compute_exact(item)
    partial, _ = _compute_partial(item)
    if isinstance(exact, Unscorable):
        return exact
    if isinstance(partial, Unscorable):
        return partial
    return EntityCoverage(exact, partial)


def _compute_exact(item: EntityInput) -> _Outcome:
    if not item.entities:
        return unscorable(UnscorableReason.NO_ENTITIES, _EXACT_STATISTICS)
    matched = sum(item.mentioned)
    return matched / len(item.entities), (matched, len(item.entities))


def _compute_partial(item: EntityInput) -> _Outcome:
    if not item.entities:
        return unscorable(UnscorableReason.NO_ENTITIES, _PARTIAL_STATISTICS)
    rule = item.options.tokenizer
    entity_tokens = item.entity_list.tokens(rule)
    generated: Sequence[Sequence[str]]
    if item.given_list is None:
        generated = [item.candidate.split_normalised(rule, item.options.case)]
    else:
        generated = item.given_list.tokens(rule)
    sequences = TokenSequences(generated, {t for found in entity_tokens for t in found})
    shares = [sequences.longest_common(found) / len(found) for found in entity_tokens]
    in_full = item.options.partial_match is PartialMatchRule.EXACT_OR_TOKEN_LCS
    if in_full or item.given_list is not None:
        shares = [max(float(whole), s) for whole, s in zip(item.mentioned, shares, strict=True)]
    total = math.fsum(shares)
    return total / len(item.entities), (total, len(item.entities))


@cache
def _sign_exact(options: ScoringOptions) -> str:
    given = options.generated_entities is GeneratedEntitiesRule.GIVEN
    knobs = matching_knobs(options, boundary=not given)  # of two lists nothing is searched
    return signature("ec_exact", **generated_knobs(options), **knobs)


@cache
def _sign_partial(options: ScoringOptions) -> str:
    given = options.generated_entities is GeneratedEntitiesRule.GIVEN
    searched = options.partial_match is PartialMatchRule.EXACT_OR_TOKEN_LCS and not given
    knobs = {**matching_knobs(options, boundary=searched), **token_knobs(options)}
    rule = PartialMatchRule.TOKEN_LCS if given else options.partial_match  # they are the same then
    return signature("ec_partial", partial=rule.value, **generated_knobs(options), **knobs)


def _corpus_value(sums: Sequence[float]) -> float | None:
    return ratio(sums[0], sums[1])


ENTITY_COVERAGE_METRICS = (
    Metric(
        name="ec_exact",
        description="Share of the reference's entities that occur in the explanation.",
        statistic_names=_EXACT_STATISTICS,
        compute=_compute_exact,
        sign=_sign_exact,
        corpus_value=_corpus_value,
    ),
    Metric(
        name="ec_partial",
        description=(
            "Mean share of an entity's tokens that the explanation holds in the entity's order "
            "(longest common subsequence)."
        ),
        statistic_names=_PARTIAL_STATISTICS,
        compute=_compute_partial,
        sign=_sign_partial,
        corpus_value=_corpus_value,
    ),
)
