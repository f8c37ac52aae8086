"""Where entities are marked in texts: by hand, and by what the metrics say of the same texts."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.analysis import EntityInput, TextAnalysis
from services.metrics.options import BoundaryRule, CaseRule, ScoringOptions, TokenizerRule
from services.metrics.subsequence import TokenSequences
from services.sweep.report.viewer.highlights import NO_ENTITY, Highlighter, Mark
from tests.properties import hard_texts

ACUTE, SOFT_HYPHEN, ZERO_WIDTH_SPACE = "\u0301", "\u00ad", "\u200b"
INSENSITIVE = ScoringOptions(case=CaseRule.INSENSITIVE)
SUBSTRING = ScoringOptions(boundary=BoundaryRule.SUBSTRING)

Marked = list[tuple[str, str] | str]


def marked(text: str, entities: list[str], options: ScoringOptions | None = None) -> Marked:
    """The spans: plain text as it is, other text with its mark and its entity's number."""
    found = Highlighter(entities, options or ScoringOptions()).highlight(text)
    signs = {Mark.EXACT: "=", Mark.PART: "~"}
    return [
        span.text if span.entity == NO_ENTITY else (span.text, f"{signs[span.mark]}{span.entity}")
        for span in found.spans
    ]


def marks(text: str, entities: list[str], options: ScoringOptions | None = None) -> str:
    """What became of each entity: a letter each."""
    found = Highlighter(entities, options or ScoringOptions()).highlight(text)
    return "".join({Mark.NONE: "-", Mark.EXACT: "=", Mark.PART: "~"}[mark] for mark in found.marks)


def test_entities_are_marked_wherever_they_are_found() -> None:
    text = "The Mona Lisa hangs in Paris, and Paris loves it."
    entities = ["Mona Lisa", "Louvre", "Paris"]
    assert marked(text, entities) == [
        *("The ", ("Mona Lisa", "=0"), " hangs in ", ("Paris", "=2"), ", and ", ("Paris", "=2")),
        " loves it.",
    ]
    assert marks(text, entities) == "=-="


def test_a_text_without_entities_is_one_plain_span_and_an_empty_one_is_none() -> None:
    assert marked("A swan.", ["Rome"]) == ["A swan."]
    assert marked("A swan.", []) == ["A swan."]
    assert marked("", ["Rome"]) == []
    assert marks("", ["Rome"]) == "-"


@pytest.mark.parametrize(
    ("text", "entity", "spans"),
    [
        # The é of the text is an e with a mark, that of the entity is one character.
        (f"The Muse{ACUTE}e.", "Musée", ["The ", (f"Muse{ACUTE}e", "=0"), "."]),
        ("The Musée.", f"Muse{ACUTE}e", ["The ", ("Musée", "=0"), "."]),
        # A mark behind the entity's last letter makes that another letter.
        (f"Rome{ACUTE} it is.", "Rome", [f"Rome{ACUTE} it is."]),
        # Nothing is seen of a soft hyphen; of what is behind the last letter it is part.
        (f"The Lou{SOFT_HYPHEN}vre.", "Louvre", ["The ", (f"Lou{SOFT_HYPHEN}vre", "=0"), "."]),
        (
            f"To Rome{ZERO_WIDTH_SPACE} we go.",
            "Rome",
            ["To ", (f"Rome{ZERO_WIDTH_SPACE}", "=0"), " we go."],
        ),
        (f"\ufeff{ZERO_WIDTH_SPACE}Rome", "Rome", [f"\ufeff{ZERO_WIDTH_SPACE}", ("Rome", "=0")]),
        # An accent behind what is not seen belongs to the letter before.
        (
            f"Cafe{ZERO_WIDTH_SPACE}{ACUTE} is.",
            "Café",
            [(f"Cafe{ZERO_WIDTH_SPACE}{ACUTE}", "=0"), " is."],
        ),
        # Curly and plain apostrophes are the same, as are hyphens.
        ("At the d\u2019Orsay!", "d'Orsay", ["At the ", ("d\u2019Orsay", "=0"), "!"]),
        (
            "\u201cLens\u201d, Louvre\u2010Lens",
            "Louvre-Lens",
            ["\u201cLens\u201d, ", ("Louvre\u2010Lens", "=0")],
        ),
        # Korean syllables, written as one character or as their letters.
        ("\u1112\u1161\u11ab is Han", "\ud55c", [("\u1112\u1161\u11ab", "=0"), " is Han"]),
        # What stands behind characters that changed their number is found where it is.
        (f"E{ACUTE}e{ACUTE}o{ACUTE} Rome", "Rome", [f"E{ACUTE}e{ACUTE}o{ACUTE} ", ("Rome", "=0")]),
    ],
)
def test_places_are_those_of_the_text_as_it_was_written(
    text: str, entity: str, spans: Marked
) -> None:
    assert marked(text, [entity]) == spans


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("By Leonardo\n\n da\tVinci.", ["By ", ("Leonardo\n\n da\tVinci", "=0"), "."]),
        ("  By\nLeonardo da\u00a0Vinci", ["  By\n", ("Leonardo da\u00a0Vinci", "=0")]),
        # Two sentences: in the text that is searched there is one space between them.
        (
            "It hangs there.  \n\nLeonardo da Vinci\n",
            ["It hangs there.  \n\n", ("Leonardo da Vinci", "=0"), "\n"],
        ),
        ("One!  Two?\r\n Leonardo  da Vinci", ["One!  Two?\r\n ", ("Leonardo  da Vinci", "=0")]),
    ],
)
def test_whitespace_is_kept_as_it_was_written(text: str, spans: Marked) -> None:
    assert marked(text, ["Leonardo da Vinci"]) == spans


def test_scripts_without_spaces_are_cut_where_entities_are() -> None:
    # Tokyo stands there twice in a row, each a span of its own; Kyoto shares a character with it.
    assert marked("東京東京と京都。", ["東京", "京都"]) == [
        *(("東京", "=0"), ("東京", "=0"), "と", ("京都", "=1"), "。")
    ]


def test_of_overlapping_entities_the_longer_one_is_marked() -> None:
    entities = ["Leonardo", "Leonardo da Vinci", "Vinci"]
    text = "Leonardo da Vinci was Leonardo."
    assert marked(text, entities) == [
        *(("Leonardo da Vinci", "=1"), " was ", ("Leonardo", "=0"), ".")
    ]
    # All three are found nevertheless.
    assert marks(text, entities) == "==="


def test_of_an_entity_that_runs_into_a_longer_one_the_rest_is_marked() -> None:
    assert marked("Mona Lisa Gherardini", ["Mona Lisa", "Lisa Gherardini"]) == [
        ("Mona ", "=0"),
        ("Lisa Gherardini", "=1"),
    ]
    # The middle one is the longest: it leaves something of both its neighbours.
    assert marked("a b c d e f g", ["a b c", "b c d e f", "e f g"]) == [
        *(("a ", "=0"), ("b c d e f", "=1"), (" g", "=2"))
    ]


def test_of_overlapping_entities_of_one_length_the_first_in_the_list_is_marked() -> None:
    assert marked("a b c", ["b c", "a b"]) == [("a ", "=1"), ("b c", "=0")]


@pytest.mark.parametrize(
    ("text", "entity", "spans"),
    [
        ("In PARIS.", "Paris", ["In ", ("PARIS", "=0"), "."]),
        # ß and ss are the same without case; the one is a character, the other are two.
        ("Große Straße!", "STRASSE", ["Große ", ("Straße", "=0"), "!"]),
        ("GROSSE STRASSE!", "Straße", ["GROSSE ", ("STRASSE", "=0"), "!"]),
        # A capital I with a dot is an i with a dot above, two characters.
        ("\u0130znik \u0130li", "i\u0307li", ["\u0130znik ", ("\u0130li", "=0")]),
        ("LOUVRE\n\nLENS \u00c9", "louvre lens", [("LOUVRE\n\nLENS", "=0"), " \u00c9"]),
    ],
)
def test_without_case_places_are_those_of_the_text_too(
    text: str, entity: str, spans: Marked
) -> None:
    assert marked(text, [entity], INSENSITIVE) == spans
    assert marks(text, [entity]) in {"-", "~"}


def test_within_words_entities_are_marked_only_where_that_is_chosen() -> None:
    assert marked("Artful party", ["art"], SUBSTRING) == ["Artful p", ("art", "=0"), "y"]
    assert marked("Artful party", ["art"]) == ["Artful party"]


def test_half_a_character_is_marked_as_the_whole() -> None:
    both = ScoringOptions(case=CaseRule.INSENSITIVE, boundary=BoundaryRule.SUBSTRING)
    # Folded it is "masse": an s of the two is found twice, and is one ß in the text.
    assert marked("Maße", ["s"], both) == ["Ma", ("ß", "=0"), "e"]


def test_of_what_is_not_found_the_common_tokens_are_marked() -> None:
    text = "A portrait by Leonardo, who was born at Vinci."
    assert marked(text, ["Leonardo da Vinci"]) == [
        *("A portrait by ", ("Leonardo", "~0"), ", who was born at ", ("Vinci", "~0"), ".")
    ]
    assert marks(text, ["Leonardo da Vinci", "Rembrandt van Rijn"]) == "~-"


def test_neighbouring_tokens_are_marked_together() -> None:
    assert marked("Leonardo da  Firenze", ["Leonardo da Vinci"]) == [
        *(("Leonardo da", "~0"), "  Firenze")
    ]


def test_of_several_longest_common_subsequences_the_leftmost_is_marked() -> None:
    # "da … Vinci" and "Leonardo … Vinci" have two tokens; all three are in no order but another.
    assert marked("da Leonardo di Vinci, Vinci", ["Leonardo da Vinci"]) == [
        *(("da", "~0"), " Leonardo di ", ("Vinci", "~0"), ", Vinci")
    ]


def test_what_is_found_goes_before_what_is_found_in_part() -> None:
    # "Vinci" is found; of "Leonardo da Vinci" its three tokens are there, but not in a row.
    assert marked("Leonardo, da Vinci", ["Leonardo da Vinci", "Vinci"]) == [
        *(("Leonardo", "~0"), ", ", ("da ", "~0"), ("Vinci", "=1"))
    ]
    # Of two in part that which has more tokens in common.
    assert marked("of the Sea", ["View of the Sea", "of Rome the Old"]) == [("of the Sea", "~0")]


def test_quotation_marks_are_tokens_that_look_otherwise() -> None:
    # NLTK makes `` and '' of them: four of the entity's six tokens stand in the text.
    assert marked('They call it "The Kiss" now.', ['"The Kiss" of Klimt']) == [
        *("They call it ", ('"The Kiss"', "~0"), " now.")
    ]
    assert marked("They call it \u201cThe Kiss\u201d now.", ['"The Kiss" of Klimt']) == [
        *("They call it ", ("\u201cThe Kiss\u201d", "~0"), " now.")
    ]


def test_tokens_are_compared_without_case_where_entities_are() -> None:
    assert marked("LEONARDO!", ["Leonardo da Vinci"], INSENSITIVE) == [("LEONARDO", "~0"), "!"]
    assert marked("LEONARDO!", ["Leonardo da Vinci"]) == ["LEONARDO!"]


@pytest.mark.parametrize(
    ("tokenizer", "spans"),
    [
        # "Louvre-Lens" is one token to NLTK and between spaces, three to the last one.
        (TokenizerRule.NLTK, ["Louvre-Lens now"]),
        (TokenizerRule.WHITESPACE, ["Louvre-Lens now"]),
        (TokenizerRule.WORDPUNCT, ["Louvre-", ("Lens", "~0"), " now"]),
    ],
)
def test_tokens_are_those_of_the_options(tokenizer: TokenizerRule, spans: Marked) -> None:
    options = ScoringOptions(tokenizer=tokenizer)
    assert marked("Louvre-Lens now", ["Lens Museum"], options) == spans


def test_entities_that_matching_cannot_tell_apart_are_one_and_blank_ones_none() -> None:
    highlighter = Highlighter(
        ["Mus\u00e9e", SOFT_HYPHEN, f"Muse{ACUTE}e", "Saint Denis"], ScoringOptions()
    )
    assert highlighter.entities == ("Mus\u00e9e", "Saint Denis")
    assert highlighter.token_counts == (1, 2)


def test_a_text_full_of_one_entity_is_marked_in_time_that_grows_with_it() -> None:
    text = "ab" * 20_000
    found = Highlighter(["ab", "a", "b"], SUBSTRING).highlight(text)
    assert len(found.spans) == 20_000
    assert {span.entity for span in found.spans} == {0}
    assert set(found.marks) == {Mark.EXACT}


OPTIONS = [
    ScoringOptions(case=case, boundary=boundary, tokenizer=tokenizer)
    for case in CaseRule
    for boundary in BoundaryRule
    for tokenizer in TokenizerRule
]


def assert_as_the_metrics_count(text: str, entities: list[str], options: ScoringOptions) -> None:
    """Spans make the text, and marks say what the two readings of entity coverage count."""
    highlighter = Highlighter(entities, options)
    found = highlighter.highlight(text)
    assert "".join(span.text for span in found.spans) == text
    assert all(span.text for span in found.spans)
    analysis = TextAnalysis(text)
    item = EntityInput(analysis, highlighter.entities, options, None)
    tokens = analysis.split_normalised(options.tokenizer, options.case)
    for entity, mark in enumerate(found.marks):
        own = item.entity_list.tokens(options.tokenizer)[entity]
        common = TokenSequences([tokens], set(own)).longest_common(own)
        expected = Mark.EXACT if item.mentioned[entity] else Mark.PART if common else Mark.NONE
        assert mark is expected
    for span in found.spans:
        assert span.mark is (Mark.NONE if span.entity == NO_ENTITY else found.marks[span.entity])
    if found.marks:
        seen = {span.entity for span in found.spans if span.mark is Mark.EXACT}
        assert bool(seen) == (Mark.EXACT in found.marks)


def test_hard_texts_are_marked_as_the_metrics_count() -> None:
    rng = random.Random(5)
    for number, text in enumerate(hard_texts.texts(600, seed=11)):
        words = text.split() or ["Rome"]
        chosen = rng.choices(words, k=3)
        begin = rng.randrange(len(words))
        chosen.append(" ".join(words[begin : begin + 3]))
        chosen.append(" ".join(rng.sample(words, min(3, len(words)))))
        chosen.append(text[len(text) // 3 : len(text) // 3 + rng.randint(1, 9)])
        chosen += ["Mondrian", "Piet Mondrian in Paris"]
        entities = [one.upper() if rng.random() < 0.2 else one for one in dict.fromkeys(chosen)]
        assert_as_the_metrics_count(text, entities, OPTIONS[number % len(OPTIONS)])


# Few characters that change, compose, go away, or are joined to others.
LETTERS = st.text(
    alphabet="aAeb sS.\n\u00a0'\"\u2019\u201d\u00e9\u0301\u0323\u00df\u0130\u00ad\u200b\u200d"
    "\u1112\u1161\u11ab\ud558\u6771\u0e01\u0e34\u0345\u03b1\U0001f3a8\ufe0f\u0f73",
    max_size=14,
)


@given(text=LETTERS, entities=st.lists(LETTERS, max_size=4), options=st.sampled_from(OPTIONS))
def test_marks_are_what_the_metrics_count(
    text: str, entities: list[str], options: ScoringOptions
) -> None:
    assert_as_the_metrics_count(text, entities, options)
