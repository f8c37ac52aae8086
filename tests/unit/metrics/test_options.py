"""Each scoring option: what it changes, by hand, and that signatures say so."""

import math
from dataclasses import fields, replace
from itertools import product

import pytest

from services.core.errors import InvalidRequestError
from services.metrics import (
    METRICS,
    BoundaryRule,
    CaseRule,
    GeneratedEntitiesRule,
    NoPairsConvention,
    NoPairsRule,
    PartialMatchRule,
    Score,
    ScoringInput,
    ScoringOptions,
    TokenizerRule,
    Unscorable,
    UnscorableReason,
    aggregate,
    input_violations,
    length,
    score_all,
)

GIVEN = ScoringOptions(generated_entities=GeneratedEntitiesRule.GIVEN)
IN_FULL = ScoringOptions(partial_match=PartialMatchRule.EXACT_OR_TOKEN_LCS)
ZERO = ScoringOptions(no_pairs=NoPairsRule.ZERO)

EVERY_OPTION = [
    ScoringOptions(*choice)
    for choice in product(
        CaseRule, BoundaryRule, TokenizerRule, PartialMatchRule, NoPairsRule, GeneratedEntitiesRule
    )
]
COMPUTED = [name for name, metric in METRICS.items() if not metric.needs_encoder]


def score(metric: str, item: ScoringInput) -> Score:
    [found] = score_all(item, [metric])
    return found


def given(
    candidate: str, reference: str, entities: list[str], found: list[str], **options: object
) -> ScoringInput:
    choice = replace(GIVEN, **options)  # type: ignore[arg-type]
    return ScoringInput(candidate, reference, entities, choice, candidate_entities=found)


# Between them, these differ under every option in every metric that the option can change.
WITNESSES = [
    # Candidate, reference, entities, the candidate's own entities.
    ("Paris, paris and parish in Rome.", "Paris, Rome.", ["Paris", "Rome"], ["rome", "Paris"]),
    ("Parish isn't in Rome! He's not", "Parish. Rome is it.", ["Paris", "Rome"], ["Rome."]),
    ("In Washington D.C. it is.", "Rome, Washington D.C.", ["Washington D.C.", "Rome"], ["D.C."]),
    ("the parish church", "a parish", ["Paris", "parish Church"], ["the parish church"]),
    ("Louvre-Lens and Rome!", "Lens, Rome and the Louvre.", ["Louvre", "rome"], ["Louvre-Lens"]),
    ("Paris, Rome.", "Parish and Rome.", ["Paris", "Rome"], ["Paris", "Rome"]),
    ("I can't go. It's in C++.", "C++ and others", ["don't go", "C++"], ["can't go", "In C++"]),
    ("Old art; Rome-art", "Old art", ["Old Art", "art", "Old"], ["Old Art", "old art!"]),
]


def witness_scores(options: ScoringOptions) -> dict[str, list[Score]]:
    is_given = options.generated_entities is GeneratedEntitiesRule.GIVEN
    items = [
        ScoringInput(
            candidate,
            reference,
            entities,
            options,
            candidate_entities=found if is_given else None,
        )
        for candidate, reference, entities, found in WITNESSES
    ]
    return {name: [score(name, item) for item in items] for name in COMPUTED}


def test_an_option_enters_exactly_the_signatures_that_it_can_change() -> None:
    found = {options: witness_scores(options) for options in EVERY_OPTION}
    names = [field.name for field in fields(ScoringOptions) if field.name != "encoder"]
    for options, name in product(EVERY_OPTION, names):
        for value in type(getattr(options, name)):
            other = replace(options, **{name: value})
            for metric in COMPUTED:
                ours, theirs = found[options][metric], found[other][metric]
                same_signature = ours[0].signature == theirs[0].signature
                same_values = [(s.outcome, s.statistics) for s in ours] == [
                    (s.outcome, s.statistics) for s in theirs
                ]
                assert same_values is same_signature, (metric, options, name, value)


def test_the_default_signatures_name_every_choice() -> None:
    knobs = {
        name: {knob.split(":")[0] for knob in METRICS[name].sign(ScoringOptions()).split("|")[1:]}
        for name in METRICS
    }
    entity = {"generated", "noentities", "case", "norm", "rules"}
    searched, token = entity | {"boundary"}, {"tok", "sent"}
    assert knobs["ec_exact"] == searched
    assert knobs["ec_partial"] == entity | token | {"partial"}
    assert knobs["ef1"] == searched | {"nomatch", "noreference"}
    for window in ("0", "1", "2", "inf"):
        assert knobs[f"ecooc_{window}"] == searched | token | {"window", "nopairs"}
    assert knobs["length"] == knobs["length_penalty"] == token | {"rules"}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (TokenizerRule.NLTK, 9),  # It / is / n't / 3.5 / m / , / St. / Denis / !
        (TokenizerRule.WORDPUNCT, 13),  # It / isn / ' / t / 3 / . / 5 / m / , / St / . / Denis / !
        (TokenizerRule.WHITESPACE, 6),
    ],
)
def test_each_tokeniser_counts_its_own_tokens(rule: TokenizerRule, expected: int) -> None:
    text = "It isn't 3.5 m, St. Denis!"
    assert length(text, rule) == expected
    options = ScoringOptions(tokenizer=rule)
    assert score("length", ScoringInput(text, "r", (), options)).value == expected


def test_word_characters_run_together_and_other_marks_do_so_too() -> None:
    assert length("a_1é蒙", TokenizerRule.WORDPUNCT) == 1
    assert length("?!... --", TokenizerRule.WORDPUNCT) == 2
    # A combining mark is no word character; the text is taken as it stands.
    assert length("caf\u00e9 cafe\u0301", TokenizerRule.WORDPUNCT) == 3


def test_the_length_penalty_of_cooccurrence_counts_by_the_tokeniser() -> None:
    # The reference has 3 tokens to whitespace and 5 to the others, the candidate 6 and 6:
    # exp(-(6/3 - 1)) and exp(-(6/5 - 1)).
    item = ("Paris is not far from Rome", "Paris, Rome.")
    for rule, tokens in ((TokenizerRule.WHITESPACE, 2), (TokenizerRule.WORDPUNCT, 4)):
        options = ScoringOptions(tokenizer=rule)
        found = score("ecooc_inf", ScoringInput(*item, ["Paris", "Rome"], options))
        assert found.value == pytest.approx(math.exp(-(6 / tokens - 1)))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # Washington / D.C / . against In / Washington / D.C. / it / is / .
        (TokenizerRule.NLTK, 2 / 3),
        # Washington / D / . / C / . are all there.
        (TokenizerRule.WORDPUNCT, 1),
        # Washington / D.C. are, too.
        (TokenizerRule.WHITESPACE, 1),
    ],
)
def test_the_partial_match_compares_the_tokenisers_tokens(
    rule: TokenizerRule, expected: float
) -> None:
    options = ScoringOptions(tokenizer=rule)
    item = ScoringInput("In Washington D.C. it is.", "r", ["Washington D.C."], options)
    assert score("ec_partial", item).value == pytest.approx(expected)


@pytest.mark.parametrize("rule", TokenizerRule)
def test_sentences_are_punkts_whatever_the_tokeniser(rule: TokenizerRule) -> None:
    # By full stops alone Paris and Rome would be in two sentences.
    text = "In Paris, say Dr. Smith and Rome."
    options = ScoringOptions(tokenizer=rule)
    assert score("ecooc_0", ScoringInput(text, text, ["Paris", "Rome"], options)).value == 1
    assert "|sent:nltk-" in METRICS["ecooc_0"].sign(options)


def test_what_is_found_exactly_counts_in_full_if_wanted() -> None:
    # "Louvre" is no token of "Louvre-Lens"; of "Mona Lisa" one token of two is there.
    texts = ("The Louvre-Lens has Mona.", "r", ["Louvre", "Mona Lisa"])
    assert score("ec_partial", ScoringInput(*texts)).value == pytest.approx((0 + 1 / 2) / 2)
    in_full = score("ec_partial", ScoringInput(*texts, IN_FULL))
    assert in_full.value == pytest.approx((1 + 1 / 2) / 2)
    assert in_full.statistics == pytest.approx((1.5, 2))


NO_PAIRS_ITEMS = [
    ("Paris and Rome.", "Paris, Rome.", ["Paris", "Rome"]),
    ("Paris and Rome here.", "In Paris.", ["Paris", "Rome"]),
    ("Nowhere.", "Nowhere.", []),
]


def test_an_item_without_pairs_scores_zero_if_wanted() -> None:
    # 5 tokens against 3: the penalty is exp(-2/3), and there is nothing to be penalised.
    found = score("ecooc_inf", ScoringInput(*NO_PAIRS_ITEMS[1], ZERO))
    assert found.outcome == 0
    assert found.statistics == pytest.approx((math.exp(-2 / 3), 0, 0, 0))
    # Without entities there is no question of pairs.
    no_entities = score("ecooc_inf", ScoringInput(*NO_PAIRS_ITEMS[2], ZERO))
    assert no_entities.outcome == Unscorable(UnscorableReason.NO_ENTITIES)


@pytest.mark.parametrize("metric", ["ecooc_0", "ecooc_1", "ecooc_2", "ecooc_inf"])
def test_either_convention_comes_from_the_default_scores_too(metric: str) -> None:
    default = [score(metric, ScoringInput(*item)) for item in NO_PAIRS_ITEMS]
    zero = [score(metric, ScoringInput(*item, ZERO)) for item in NO_PAIRS_ITEMS]
    later = aggregate(default, NoPairsConvention.COUNT_AS_ZERO)
    at_once = aggregate(zero)
    for name in ("mean", "signature", "scored_count", "unscorable_counts"):
        assert getattr(later, name) == getattr(at_once, name)
    assert later.mean == pytest.approx(1 / 2)
    assert later.scored_count == 2
    # The sums of pairs know no difference, so that micro means may be compared.
    for found in (aggregate(default), at_once):
        assert (found.corpus_value, found.corpus_signature) == (
            later.corpus_value,
            later.corpus_signature,
        )


def test_given_entities_are_wanted_or_refused_as_the_options_say() -> None:
    with pytest.raises(InvalidRequestError, match="candidate_entities must be left out"):
        ScoringInput("c", "r", ["e"], candidate_entities=["e"])
    with pytest.raises(InvalidRequestError, match="candidate_entities must be given"):
        ScoringInput("c", "r", ["e"], GIVEN)
    # To a caller that cannot tell an empty list from none, an empty list is none.
    assert ScoringInput("c", "r", ["e"], candidate_entities=[]).given_list is None


def test_what_is_wrong_with_given_entities_is_said_by_field() -> None:
    found = input_violations(" ", ["", "a"], GIVEN, ["b", "\u200b", "b"])
    assert [(violation.field, violation.description) for violation in found] == [
        ("reference", "must not be blank"),
        ("entities[0]", "must not be blank"),
        ("candidate_entities[1]", "must not be blank"),
        ("candidate_entities[2]", "must differ from candidate_entities[0]"),
    ]
    with pytest.raises(InvalidRequestError) as caught:
        ScoringInput(" ", "r", ["", "a"], GIVEN, candidate_entities=["b", "\u200b", "b"])
    assert list(caught.value.violations) == found[1:]


def test_exact_coverage_is_the_share_of_the_references_entities_that_are_given() -> None:
    # Given are Paris and, in another spelling, the Musée; Rome is in the text and not given.
    item = given(
        "Rome and Paris.",
        "r",
        ["Paris", "Rome", "Mus\u00e9e d'Orsay"],
        ["Paris", "Muse\u0301e  d\u2019Orsay", "Berlin"],
    )
    assert score("ec_exact", item).value == pytest.approx(2 / 3)
    assert score("ec_exact", item).statistics == (2, 3)


@pytest.mark.parametrize(("case", "expected"), [("sensitive", 0), ("insensitive", 1)])
def test_given_entities_are_compared_with_case_or_without(case: str, expected: float) -> None:
    item = given("c", "r", ["Louvre"], ["LOUVRE", "louvre"], case=CaseRule(case))
    assert score("ec_exact", item).value == expected
    assert score("ec_partial", item).value == expected


def test_partial_coverage_takes_the_given_entity_that_shares_the_most() -> None:
    # "Leonardo da Vinci" shares 1 token with "Leonardo", 2 with "Vinci da Leonardo, da", in which
    # "Leonardo da" is in order, and the two lists are not one: 2/3. "Paris" is not given: 0.
    item = given(
        "Leonardo da Vinci in Paris.",
        "r",
        ["Leonardo da Vinci", "Paris"],
        ["Leonardo", "Vinci da Leonardo, da"],
    )
    assert score("ec_partial", item).value == pytest.approx((2 / 3 + 0) / 2)
    assert score("ec_exact", item).value == 0


def test_entity_f1_counts_the_given_entities_for_precision_and_the_references_for_recall() -> None:
    # Occurrences in candidate and reference: Paris 2 and 1, Rome 1 and 1, Berlin 1 and 0.
    # Given Paris and Berlin: precision (1 + 0)/(2 + 1). Recall, over Paris and Rome: (1 + 1)/2.
    # F1 = 2 * (1/3) * 1 / (4/3) = 1/2.
    item = given(
        "Paris, Paris, Rome, Berlin.", "Paris and Rome.", ["Paris", "Rome"], ["Paris", "Berlin"]
    )
    found = score("ef1", item)
    assert found.value == pytest.approx(1 / 2)
    assert found.statistics == pytest.approx((1 / 3, 1, 1, 3, 2, 2))
    assert METRICS["ef1"].statistic_names[2:] == (
        "clipped_occurrences",
        "candidate_occurrences",
        "reference_occurrences",
        "clipped_reference_occurrences",
    )


def test_given_entities_that_matching_cannot_tell_apart_count_once() -> None:
    # Twice, "L'Art" would make precision (1 + 1 + 0)/(1 + 1 + 1).
    item = given("L'Art, Rome", "L'Art", ["L'Art"], ["L'Art", "L\u2019Art", "Rome"])
    assert score("ef1", item).statistics[:2] == pytest.approx((1 / 2, 1))


def test_the_micro_f1_of_given_entities_sums_each_side_by_itself() -> None:
    # The item above: 1 of 3 and 2 of 2. Another: "Rome" given, 1 of 1 and 1 of 2.
    # Precision (1 + 1)/(3 + 1) = 1/2, recall (2 + 1)/(2 + 2) = 3/4; F1 = 2 * 3/8 / (5/4) = 3/5.
    items = [
        given(
            "Paris, Paris, Rome, Berlin.", "Paris, Rome.", ["Paris", "Rome"], ["Paris", "Berlin"]
        ),
        given("In Rome.", "Paris, Rome.", ["Paris", "Rome"], ["Rome"]),
    ]
    found = aggregate([score("ef1", item) for item in items])
    assert found.corpus_value == pytest.approx(3 / 5)
    assert found.precision == pytest.approx((1 / 3 + 1) / 2)
    assert found.recall == pytest.approx((1 + 1 / 2) / 2)


def test_cooccurrence_passes_over_what_is_not_given() -> None:
    # The reference pairs Paris-Rome, Paris-Oslo, Rome-Oslo are all in the candidate; given are two.
    texts = ("Paris, Rome, Oslo.", "Paris, Rome, Oslo.", ["Paris", "Rome", "Oslo"])
    assert score("ecooc_0", given(*texts, ["Oslo", "Paris", "Berlin"])).value == pytest.approx(
        1 / 3
    )
    # What is given and not in the text makes no pair either.
    absent = ("Paris.", "Paris, Rome.", ["Paris", "Rome"])
    assert score("ecooc_0", given(*absent, ["Paris", "Rome"])).value == 0


@pytest.mark.parametrize("metric", ["ec_exact", "ec_partial", "ef1", "ecooc_0", "ecooc_inf"])
def test_a_recogniser_that_finds_nothing_scores_zero(metric: str) -> None:
    item = given("Paris, Rome.", "Paris, Rome.", ["Paris", "Rome"], [])
    assert score(metric, item).value == 0


def test_what_is_unscorable_does_not_depend_on_the_candidates_entities() -> None:
    for found in ([], ["Paris"]):
        none = given("Paris", "Paris", [], found)
        for metric in ("ec_exact", "ec_partial", "ef1", "ecooc_0"):
            assert score(metric, none).outcome == Unscorable(UnscorableReason.NO_ENTITIES)
        absent = given("Paris", "A town.", ["Paris"], found)
        reason = UnscorableReason.ENTITIES_NOT_IN_REFERENCE
        assert score("ef1", absent).outcome == Unscorable(reason)
