"""Places in a text that was normalised, led back to the text as it was written."""

import random

from hypothesis import given
from hypothesis import strategies as st

from services.metrics.matching import fold_case, normalise_typography
from services.metrics.occurrences import SearchableText
from services.metrics.options import CaseRule
from services.metrics.tokens import sentence_spans
from services.sweep.report.viewer.alignment import (
    Alignment,
    search_alignment,
    typographic_alignment,
)
from tests.properties import hard_texts


def test_parts_lead_back_to_where_they_come_from() -> None:
    # Given "abXXXcdY", made "abzcdyy": XXX became z as a whole, Y became yy.
    alignment = Alignment()
    alignment.keep(2)
    alignment.replace(3, 1)
    alignment.keep(2)
    alignment.replace(1, 2)
    assert (alignment.given_length, alignment.made_length) == (8, 7)
    assert alignment.origin(0, 1) == (0, 1)
    assert alignment.origin(1, 3) == (1, 5)
    assert alignment.origin(2, 3) == (2, 5)
    assert alignment.origin(3, 5) == (5, 7)
    # Half of what Y became comes from all of it.
    assert alignment.origin(4, 6) == (6, 8)
    assert alignment.origin(6, 7) == (7, 8)


def test_what_went_away_belongs_to_nothing() -> None:
    # Given "..ab.c.", made "abc".
    alignment = Alignment()
    alignment.replace(2, 0)
    alignment.keep(2)
    alignment.replace(1, 0)
    alignment.keep(1)
    alignment.replace(1, 0)
    assert alignment.origin(0, 1) == (2, 3)
    assert alignment.origin(0, 2) == (2, 4)
    assert alignment.origin(1, 3) == (3, 6)
    assert alignment.origin(2, 3) == (5, 6)


def test_a_text_is_led_back_to_by_hand() -> None:
    # The e and its accent compose, the quotation mark is replaced, the soft hyphen goes away.
    text = "Cafe\u0301 d\u2019a\u00adb"
    alignment = typographic_alignment(text)
    assert normalise_typography(text) == "Caf\u00e9 d'ab"
    assert alignment.made_length == 9
    assert [alignment.origin(at, at + 1) for at in range(9)] == [
        *((0, 1), (1, 2), (2, 3), (3, 5), (5, 6), (6, 7), (7, 8), (8, 10), (10, 11))
    ]


def assert_leads_back(text: str, case: CaseRule, begin: float, length: int) -> None:
    """What a part of the text that is searched comes from becomes a text with that part in it."""
    typographic = normalise_typography(text)
    spans = sentence_spans(typographic)
    made = SearchableText(typographic, spans, case).text
    first, second = typographic_alignment(text), search_alignment(typographic, spans, case)
    assert (first.given_length, first.made_length) == (len(text), len(typographic))
    assert second.made_length == len(made)
    if not made:
        return
    at = int(begin * (len(made) - 1))
    end = min(len(made), at + length)
    origin = first.origin(*second.origin(at, end))
    assert 0 <= origin[0] < origin[1] <= len(text)
    written = fold_case(normalise_typography(text[slice(*origin)]), case)
    assert _shortened(made[at:end]) in _shortened(written)


def _shortened(text: str) -> str:
    return " ".join(text.split())


def test_hard_texts_are_led_back_to() -> None:
    rng = random.Random(3)
    for number, text in enumerate(hard_texts.texts(1200, seed=7)):
        case = list(CaseRule)[number % 2]
        assert_leads_back(text, case, rng.random(), rng.randint(1, 12))


@given(
    text=st.text(max_size=30)
    | st.text(
        alphabet="aeB s.\n\u00a0\u0301\u0323\u0345\u00df\u0130\u0149\u00ad\u200b\u1112\u1161\u11ab"
        "\ud558\u0f73\u0f71\u09c7\u09be\u2019\u03a9\u2126\u212b\U0001d15e\ufb01\u1fb7",
        max_size=20,
    ),
    case=st.sampled_from(CaseRule),
    begin=st.floats(0, 1),
    length=st.integers(1, 6),
)
def test_any_text_is_led_back_to(text: str, case: CaseRule, begin: float, length: int) -> None:
    assert_leads_back(text, case, begin, length)
