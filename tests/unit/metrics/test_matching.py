"""Where entities occur: each rule of the module, one by one."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.errors import InvalidRequestError
from services.metrics import BoundaryRule, CaseRule, ScoringInput, ScoringOptions

SUBSTRING = ScoringOptions(boundary=BoundaryRule.SUBSTRING)
INSENSITIVE = ScoringOptions(case=CaseRule.INSENSITIVE)


def count(entity: str, text: str, options: ScoringOptions | None = None) -> int:
    """How often the entity occurs in the text."""
    [found] = ScoringInput(text, "reference", [entity], options).in_candidate.counts
    return found


@pytest.mark.parametrize(
    ("entity", "text", "expected"),
    [
        ("art", "The art of art.", 2),
        ("art", "party, artist, smart", 0),
        ("art", "art-deco, l'art, (art)", 3),  # marks are no word characters
        ("art", "art_1 art1", 0),  # digits and the underscore are
        ("No. 1", "No. 10 and No. 1", 1),
        ("Louvre", "the Louvre's wing", 1),
        ("(Untitled)", "x(Untitled)y", 1),  # an edge that is no word character joins nothing
        ("C++", "C++ and C++11", 2),
        ("Paris", "paris PARIS", 0),
        ("Paris", "", 0),
    ],
)
def test_an_entity_is_found_on_word_boundaries(entity: str, text: str, expected: int) -> None:
    assert count(entity, text) == expected


def test_a_substring_is_found_anywhere_if_wanted() -> None:
    assert count("art", "party, artist, smart", SUBSTRING) == 3


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("Paris", "PARIS"),
        ("STRASSE", "straße"),  # folding makes ß ss
        ("ÉTUDE", "e\u0301tude"),  # composed upper case, decomposed lower case
        ("Ἑλλάς", "ἙΛΛΆΣ"),  # final and other sigma fold alike
    ],
)
def test_case_is_ignored_if_wanted(entity: str, text: str) -> None:
    assert count(entity, text) == 0
    assert count(entity, text, INSENSITIVE) == 1


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("other", ["NFC", "NFD"])
def test_composed_and_decomposed_forms_are_the_same(form: str, other: str) -> None:
    entity = unicodedata.normalize(form, "Musée d'Orsay")
    assert count(entity, unicodedata.normalize(other, "the Musée d'Orsay.")) == 1


def test_a_base_letter_is_not_found_in_its_accented_form() -> None:
    # Had the text stayed decomposed, "e" would be there, with a combining mark after it.
    assert count("e", "e\u0301", SUBSTRING) == 0
    # Nothing composes with this mark, so that the letter remains: still no word boundary.
    assert count("q", "q\u0301") == 0


def test_compatibility_forms_stay_different() -> None:
    assert count("fine", "\ufb01ne") == 0
    assert count("m2", "m\u00b2") == 0


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("L'Homme", "L\u2019Homme"),
        ("L\u2019Homme", "L'Homme"),
        ('the "Swan"', "the \u201cSwan\u201d"),
        ("Neo-Plasticism", "Neo\u2010Plasticism"),
        ("Neo-Plasticism", "Neo\u2011Plasticism"),
        ("Suprematism", "Supre\u00admatism"),
        ("Suprematism", "Supre\u200bmatism"),
    ],
)
def test_typographic_variants_are_the_same(entity: str, text: str) -> None:
    assert count(entity, text) == 1


def test_dashes_are_no_hyphens() -> None:
    assert count("1917-1929", "1917\u20131929") == 0


@pytest.mark.parametrize("space", ["\n", "  ", "\t", "\u00a0", " \r\n "])
def test_every_run_of_whitespace_is_one_space(space: str) -> None:
    assert count("Mona Lisa", f"The Mona{space}Lisa.") == 1
    assert count(f" Mona{space}Lisa ", "The Mona Lisa.") == 1


@pytest.mark.parametrize("entity", [".*", "a|b", "(", "[a-z]+", "\\d", "^", "$", "a{9}", "(?i)x"])
def test_regex_characters_mean_themselves(entity: str) -> None:
    assert count(entity, f"see {entity} here") == 1
    assert count(entity, "aaaaaaaaa b x 9 here") == 0


def test_occurrences_of_one_entity_do_not_overlap() -> None:
    assert count("aa", "aaaaa", SUBSTRING) == 2
    assert count("na na", "na na na na na") == 2


def test_entities_within_one_another_count_each_for_itself() -> None:
    text = "Leonardo da Vinci and Leonardo"
    item = ScoringInput(text, "r", ["Leonardo da Vinci", "Leonardo", "da Vinci", "Vinci"])
    assert item.in_candidate.counts == [1, 2, 1, 1]


def test_overlapping_entities_count_each_for_itself() -> None:
    item = ScoringInput("New York City Hall", "r", ["New York City", "City Hall"])
    assert item.in_candidate.counts == [1, 1]


@pytest.mark.parametrize(
    ("entity", "text", "expected"),
    [
        ("卢浮宫", "蒙娜丽莎在卢浮宫展出。", 1),  # Chinese: no spaces, no boundary needed
        ("モナ・リザ", "絵画モナ・リザは有名", 1),  # Japanese
        ("โมนาลิซา", "ภาพโมนาลิซาอยู่ที่ปารีส", 1),  # Thai
        ("Малевич", "Казимир Малевич.", 1),
        ("Малевич", "Малевича", 0),  # Cyrillic words have boundaries
        ("루브르", "루브르 박물관", 1),
        ("루브르", "루브르에", 0),  # so have Korean ones, particles included
        ("Louvre", "在Louvre展出", 1),
    ],
)
def test_scripts_without_spaces_need_no_boundary(entity: str, text: str, expected: int) -> None:
    assert count(entity, text) == expected


def test_an_occurrence_belongs_to_the_sentence_in_which_it_begins() -> None:
    # Punkt ends a sentence after "No.", in the middle of the entity.
    item = ScoringInput("It is No. 5. Paris is far.", "r", ["No. 5", "Paris"])
    assert item.in_candidate.by_sentence == [0b01, 0, 0b10]


def test_sentences_keep_their_places_when_text_is_normalised() -> None:
    text = "A\u00ad  \n Louvre.  \n\n In  Paris!  Supre\u200bmatism\u2019s  end."
    item = ScoringInput(text, "r", ["Louvre", "Paris", "Suprematism's end"])
    assert item.in_candidate.by_sentence == [0b001, 0b010, 0b100]


def test_entities_that_matching_cannot_tell_apart_count_once() -> None:
    item = ScoringInput("c", "r", ["L'Art", "L\u2019Art", "l'art"])
    assert item.entities == ("L'Art", "l'art")
    assert ScoringInput("c", "r", ["L'Art", "l'art"], INSENSITIVE).entities == ("l'art",)


@pytest.mark.parametrize(
    ("reference", "entities", "fields"),
    [
        ("", [], ["reference"]),
        (" \u00a0\n", ["", "a"], ["reference", "entities[0]"]),
        ("r", ["a", "b", "a", "\u200b\u00ad"], ["entities[2]", "entities[3]"]),
    ],
)
def test_what_cannot_be_scored_is_refused_by_field(
    reference: str, entities: list[str], fields: list[str]
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        ScoringInput("c", reference, entities)
    assert [violation.field for violation in caught.value.violations] == fields


@settings(max_examples=200, deadline=None)
@given(st.text("ab ", min_size=60, max_size=400), st.text("ab ", min_size=1, max_size=4))
def test_many_near_misses_change_nothing(text: str, entity: str) -> None:
    # So many that the search goes on by a table of word boundaries.
    entity = " ".join(entity.split())
    if not entity:
        return
    plain = " ".join(text.split())
    expected = len(re.findall(rf"(?<!\w){entity}(?!\w)", plain))
    assert count(entity, text) == expected
