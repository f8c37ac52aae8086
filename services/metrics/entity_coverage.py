"""Entity coverage (EC): the share of the reference's entities that the candidate mentions.

Source: Hayashi et al., ACL 2024 (arXiv:2403.00068); formulas as restated in arXiv:2609.00629,
appendix A.5. How an entity is looked for, and the token-level reading of the partial match, are
this project's readings of open points and part of the signatures.

The exact match looks for characters between word boundaries, the partial one for whole tokens, and
the two do not cut alike where hyphens and abbreviations are: in "the Louvre-Lens" the entity
"Louvre" occurs, yet is no token of its own; "Washington D.C." ends in the tokens "D.C" and ".",
whereas in the midst of a sentence "D.C." is one token. So an entity's partial share can be below
its exact one.
"""

from collections.abc import Mapping, Sequence
from functools import cache

from services.metrics import tokens
from services.metrics.analysis import ScoringInput
from services.metrics.matching import fold_case
from services.metrics.metric import Metric, ratio, unscorable
from services.metrics.options import ScoringOptions
from services.metrics.outcome import Unscorable, UnscorableReason
from services.metrics.signature import matching_knobs, signature, token_knobs

_EXACT_STATISTICS = ("matched_entities", "entities")
_PARTIAL_STATISTICS = ("matched_shares", "entities")

_Outcome = tuple[float | Unscorable, tuple[float, ...]]


def _compute_exact(item: ScoringInput) -> _Outcome:
    if not item.entities:
        return unscorable(UnscorableReason.NO_ENTITIES, _EXACT_STATISTICS)
    matched = sum(count > 0 for count in item.in_candidate.counts)
    return matched / len(item.entities), (matched, len(item.entities))


def _compute_partial(item: ScoringInput) -> _Outcome:
    if not item.entities:
        return unscorable(UnscorableReason.NO_ENTITIES, _PARTIAL_STATISTICS)
    case = item.options.case
    positions = item.candidate.token_positions(case)
    shares = 0.0
    for entity in item.entities_cased:
        entity_tokens = [fold_case(token, case) for token in tokens.word_tokenize(entity)]
        shares += longest_common_subsequence(entity_tokens, positions) / len(entity_tokens)
    return shares / len(item.entities), (shares, len(item.entities))


def longest_common_subsequence(
    sequence: Sequence[str], positions: Mapping[str, Sequence[int]]
) -> int:
    """Length of the longest common subsequence of two token sequences.

    Args:
        sequence: The first, such as an entity's tokens.
        positions: The second, as the ascending positions of each of its tokens.
    """
    if len(sequence) == 1:
        return int(sequence[0] in positions)
    masks: dict[str, int] = {}
    for bit, token in enumerate(sequence):
        if token in positions:
            masks[token] = masks.get(token, 0) | 1 << bit
    matches = sorted((at, mask) for token, mask in masks.items() for at in positions[token])
    # Bit-parallel dynamic programming (Hyyrö 2004): a zero in `row` is a step of the table's row.
    full = (1 << len(sequence)) - 1
    row = full
    for _, mask in matches:
        step = row & mask
        if step:
            row = ((row + step) | (row - step)) & full
            if not row:
                break
    return len(sequence) - row.bit_count()


@cache
def _sign_exact(options: ScoringOptions) -> str:
    return signature("ec_exact", **matching_knobs(options))


@cache
def _sign_partial(options: ScoringOptions) -> str:
    knobs = {**matching_knobs(options), **token_knobs()}
    del knobs["boundary"]  # tokens have their own
    return signature("ec_partial", partial="token-lcs", **knobs)


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
