"""The search for entities against a plain one, on texts made of everything that has a rule."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.errors import InvalidRequestError
from services.metrics import BoundaryRule, CaseRule, ScoringInput, ScoringOptions, occurrences
from services.metrics.occurrences import SearchableText

# Letters, a digit, marks (combining, Thai), joiners, scripts without spaces, emoji, a skin tone.
ATOMS = "ab\0é1_ -'.\u0302\u200c\u200d蒙ทที่\U0001f469\U0001f3fd"
texts = st.lists(st.sampled_from(ATOMS), min_size=1, max_size=40).map("".join)
entities = st.lists(st.sampled_from(ATOMS), min_size=1, max_size=3).map("".join)


def is_extending(character: str) -> bool:
    return unicodedata.category(character).startswith("M") or character in "\u200c\u200d\U0001f3fd"


def is_word_character(character: str) -> bool:
    if character in "蒙ทที่":
        return False
    return character.isalnum() or character == "_" or is_extending(character)


def may_part(before: str, after: str, boundary: BoundaryRule) -> bool:
    if is_extending(after) or (before == "\u200d" and not after.isspace()):
        return False
    both = is_word_character(before) and is_word_character(after)
    return boundary is BoundaryRule.SUBSTRING or not both


def plain_search(text: str, entity: str, boundary: BoundaryRule) -> list[int]:
    found: list[int] = []
    at = 0
    while at + len(entity) <= len(text):
        end = at + len(entity)
        begins = at == 0 or may_part(text[at - 1], text[at], boundary)
        ends = end == len(text) or may_part(text[end - 1], text[end], boundary)
        if text[at:end] == entity and begins and ends:
            found.append(at)
            at = end
        else:
            at += 1
    return found


@pytest.mark.parametrize("patience", [0, 1, 32])
@pytest.mark.parametrize("long_text_chars", [0, 8_000])
@pytest.mark.parametrize("boundary", BoundaryRule)
@settings(max_examples=100)
@given(text=texts, entity=entities)
def test_occurrences_are_those_of_a_plain_search(
    boundary: BoundaryRule, long_text_chars: int, patience: int, text: str, entity: str
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        # So many places are tried before the text is cut into pieces.
        patch.setattr("services.metrics.occurrences._PATIENCE", patience)
        patch.setattr("services.metrics.occurrences._LONG_TEXT_CHARS", long_text_chars)
        searchable = SearchableText(text, [(0, len(text))], CaseRule.SENSITIVE)
        found = searchable.occurrences(entity, boundary)
    assert found == plain_search(searchable.text, entity, boundary)


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from(["Rome", "Paris", "Romes", "a", "is", " "]), max_size=12),
    st.sampled_from([". ", ".  ", "! ", ".\n"]),
    st.sampled_from(list(CaseRule)),
)
def test_spaces_between_words_and_sentences_change_no_places(
    words: list[str], mark: str, case: CaseRule
) -> None:
    # The same text once in single spaces, for which there is a shorter way, and once not.
    text = mark.join(" ".join(words[at : at + 3]) for at in range(0, len(words), 3))
    names, options = ["Rome", "Paris", "is a"], ScoringOptions(case)
    wide = ScoringInput(f" {text} ".replace(" ", "  "), "r", names, options).in_candidate
    narrow = ScoringInput(" ".join(text.split()), "r", names, options).in_candidate
    assert (wide.counts, wide.by_sentence) == (narrow.counts, narrow.by_sentence)


def test_an_occurrence_of_pieces_keeps_its_sentence() -> None:
    # More occurrences than are looked up one by one: 20 sentences with 2 each.
    text = "Rome and Rome, too. " * 20
    found = ScoringInput(text, "r", ["Rome", "too. Rome"]).in_candidate
    assert occurrences._PATIENCE < 40
    assert found.counts == [40, 19]
    # "too. Rome" begins in each sentence but the last.
    assert found.by_sentence == [0b11] * 19 + [0b01]
    assert found.sentences == [list(range(20)), list(range(19))]


def test_nothing_is_found_after_a_long_texts_end() -> None:
    # Long texts are followed by characters that could be taken for null characters.
    text = "Rome " * 2_000 + "Rom"
    for entity, expected in (("\0", 0), ("Rom\0", 0), ("Rom", 1), ("Rome", 2_000)):
        for boundary in BoundaryRule:
            item = ScoringInput(text, "r", [entity], ScoringOptions(boundary=boundary))
            extra = 2_000 if (entity, boundary) == ("Rom", BoundaryRule.SUBSTRING) else 0
            assert item.in_candidate.counts == [expected + extra]


def test_a_text_of_more_different_words_than_there_are_characters_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Its 40 occurrences are looked for in pieces: Rome, a space, and the numbers.
    assert occurrences._MOST_PIECES == 0x10FFFF
    text = "Rome " * 40 + " ".join(map(str, range(8)))
    monkeypatch.setattr(occurrences, "_MOST_PIECES", 10)
    assert ScoringInput(text, "r", ["Rome"]).in_candidate.counts == [40]
    item = ScoringInput(f"{text} 8", "r", ["Rome"])
    with pytest.raises(InvalidRequestError, match="11 different words; give one of at most 10"):
        item.in_candidate.counts  # noqa: B018
