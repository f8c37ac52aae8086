"""The normalisation forms: those of unicodedata, whatever the text, and without its worst case."""

import sys
import unicodedata
from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics import METRICS, CaseRule, ScoringInput, ScoringOptions, score_all
from services.metrics.normal_form import compose, decompose, sort_long_runs

NORMALISE = {"NFC": compose, "NFD": decompose}

# Marks of many classes; some that consist of others, of which U+0F73 has no class of its own; some
# that are of no class (a joiner, a vowel sign); letters that take them up, or hold some already.
MARKS = "\u0301\u0323\u0308\u0327\u0345\u034f\u0334\u05b0\u3099\u0f71\u0f72\u0f73\u0344\U0001d165"
OTHERS = "ae\u1ed9\u1e69\u304b\u0f40\uac00\u200d\u093f\u1d15e "
soups = st.lists(
    st.one_of(
        st.text(MARKS, min_size=1, max_size=80),
        st.text(MARKS + OTHERS, max_size=10),
        st.builds(str.__mul__, st.text(MARKS, min_size=1, max_size=3), st.integers(8, 60)),
    ),
    max_size=5,
).map("".join)

HOSTILE = {
    "marks above before those below": "a" + "\u0301" * 25_000 + "\u0323" * 24_999,
    "marks that alternate": "a" + "\u0301\u0323" * 24_999,
    "marks without a class that consist of some": "\u0f73" * 50_000,
    "marks of two marks": "a\u0323" + "\u0344\u0323" * 24_999,
    "marks that invisible characters part": "a" + "\u0301\ufe0f\u0323\ufe0f" * 12_499,
    "many shorter runs": ("a" + "\u0301\u0323" * 32) * 769,
}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@settings(max_examples=500, deadline=None)
@given(text=soups)
def test_the_forms_are_those_of_unicodedata(form: Literal["NFC", "NFD"], text: str) -> None:
    assert NORMALISE[form](text) == unicodedata.normalize(form, text)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_long_run_of_any_character_has_unicodedatas_form(form: Literal["NFC", "NFD"]) -> None:
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.decomposition(character) or unicodedata.combining(character):
            text = "a\u1ed9" + "\u0345\u0301\u0323" * 6 + character * 20 + "\u0334"
            assert NORMALISE[form](text) == unicodedata.normalize(form, text), hex(code)


def test_whatever_begins_with_a_mark_is_known_for_one() -> None:
    # 40 in a row are sorted, even between marks that come later and sooner, if they can be.
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.combining(unicodedata.normalize("NFD", character)[0]):
            [last, *_] = sort_long_runs("\u0345" + character * 40 + "\u0334")[::-1]
            assert last == "\u0345", hex(code)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_mark_has_far_to_go_in_a_text_that_unicodedata_is_given(name: str) -> None:
    # An insertion sort takes as many steps as there are marks in the wrong order before one, and
    # no more than the next pairs show where runs are sorted: those of the letter before them.
    text = HOSTILE[name].replace("\ufe0f", "")
    classes = [unicodedata.combining(character) for character in sort_long_runs(text)]
    descents = sum(1 for one, other in pairwise(classes) if 0 < other < one)
    assert descents == 0
    assert sort_long_runs(text) != text


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("case", CaseRule)
def test_texts_and_entities_of_fifty_thousand_marks_are_scored(name: str, case: CaseRule) -> None:
    text = HOSTILE[name]
    item = ScoringInput(f"{text} Rome", text, [text, "Rome"], ScoringOptions(case))
    names = [name for name in METRICS if not METRICS[name].needs_encoder]
    scores = {score.metric: score.value for score in score_all(item, names)}
    assert scores["ec_exact"] == 1


def test_texts_without_long_runs_stay_as_they_are() -> None:
    for text in ("", "e\u0301\u0323", "a" + "\u0301\u0323" * 8, "\u0301" * 15 + "a"):
        assert sort_long_runs(text) is text
