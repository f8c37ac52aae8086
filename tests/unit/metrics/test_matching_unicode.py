"""Which spellings are the same entity: what Unicode leaves to be ruled, rule by rule."""

import unicodedata
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.core.errors import InvalidRequestError
from services.metrics import METRICS, BoundaryRule, CaseRule, ScoringInput, ScoringOptions
from services.metrics.matching import fold_case, joined_pieces, normalise_entity
from services.metrics.registry import score_all

SUBSTRING = ScoringOptions(boundary=BoundaryRule.SUBSTRING)
INSENSITIVE = ScoringOptions(case=CaseRule.INSENSITIVE)


def count(entity: str, text: str, options: ScoringOptions | None = None) -> int:
    """How often the entity occurs in the text."""
    [found] = ScoringInput(text, "reference", [entity], options).in_candidate.counts
    return found


# All of Unicode that is assigned but private use: planes 0 to 3 and 14.
CHARACTERS = [
    chr(code)
    for plane in (range(0x40000), range(0xE0000, 0xE1000))
    for code in plane
    if not 0xE000 <= code < 0xF900
]


def test_the_normal_form_of_a_normal_form_is_itself() -> None:
    for character in CHARACTERS:
        normal = normalise_entity(f"a{character}b")
        assert normalise_entity(normal) == normal, hex(ord(character))
        folded = fold_case(normal, CaseRule.INSENSITIVE)
        assert fold_case(folded, CaseRule.INSENSITIVE) == folded, hex(ord(character))


@settings(max_examples=300)
@given(st.text(max_size=20), st.sampled_from(["NFC", "NFD"]))
def test_canonically_equivalent_texts_have_one_form(text: str, form: Literal["NFC", "NFD"]) -> None:
    same = unicodedata.normalize(form, text)
    assert normalise_entity(same) == normalise_entity(text)
    for case in CaseRule:
        assert fold_case(normalise_entity(same), case) == fold_case(normalise_entity(text), case)


def test_hangul_is_the_same_in_syllables_and_in_letters() -> None:
    assert count("한국", unicodedata.normalize("NFD", "한국 미술")) == 1
    assert count(unicodedata.normalize("NFD", "한국"), "한국 미술") == 1


def test_a_syllable_is_not_found_in_one_with_a_further_letter() -> None:
    # Decomposed, 하 is the beginning of 한.
    assert count("하", unicodedata.normalize("NFD", "한"), SUBSTRING) == 0


def test_marks_in_another_order_are_the_same_where_unicode_says_so() -> None:
    # A dot below and an acute accent above do not touch each other.
    assert count("a\u0323\u0301", "a\u0301\u0323") == 1


def test_a_mark_that_stands_between_base_and_space_belongs_to_the_base() -> None:
    assert count("x", "x\u0302 x") == 1
    assert count("x", "x\u0302 x", SUBSTRING) == 1
    assert count("x\u0302", "x\u0302 x") == 1


def test_an_entity_that_begins_with_a_mark_is_found_nowhere_but_at_the_beginning() -> None:
    assert count("\u0302x", "o\u0302x") == 0
    assert count("\u0302x", "\u0302x") == 1


@pytest.mark.parametrize("options", [None, SUBSTRING])
def test_a_heart_is_a_heart_in_either_presentation(options: ScoringOptions | None) -> None:
    assert count("\u2764", "I \u2764\ufe0f art", options) == 1
    assert count("\u2764\ufe0f", "I \u2764 art", options) == 1


@pytest.mark.parametrize("options", [None, SUBSTRING])
@pytest.mark.parametrize(
    "text",
    [
        "\U0001f469\u200d\U0001f3a8",  # woman, joiner, palette: an artist
        "\U0001f469\U0001f3fd",  # woman, skin tone
    ],
)
def test_an_emoji_is_not_found_in_one_that_it_is_a_part_of(
    text: str, options: ScoringOptions | None
) -> None:
    assert count("\U0001f469", text, options) == 0
    assert count("\U0001f3a8", text, options) == 0
    assert count(text, f"an artist{text}!", options) == 1


def test_a_flag_is_two_characters_to_which_no_rule_applies() -> None:
    # F R and D E: between them, R and D make another flag.
    france, germany = "\U0001f1eb\U0001f1f7", "\U0001f1e9\U0001f1ea"
    assert count(france, france + germany) == 1
    assert count("\U0001f1f7\U0001f1e9", france + germany) == 1


def test_a_flag_of_a_region_is_not_the_black_flag_that_it_begins_with() -> None:
    england = "\U0001f3f4" + "".join(chr(0xE0000 + ord(c)) for c in "gbeng") + "\U000e007f"
    assert count("\U0001f3f4", england) == 0
    assert count(england, f"in {england}") == 1


def test_the_zero_width_non_joiner_joins_what_is_written_as_one_word() -> None:
    # Persian "I want": the stem is no word of its own.
    assert (
        count("\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645")
        == 0
    )
    assert count("\u0645\u06cc", "\u0645\u06cc\u200c \u0628\u0648\u062f") == 0
    assert count("a\u200cb", "ab") == 0


@pytest.mark.parametrize("mark", ["\u200e", "\u200f", "\u061c", "\u202b", "\u202c", "\u2068"])
def test_marks_of_writing_direction_make_no_difference(mark: str) -> None:
    assert count("לובר", f"{mark}לובר{mark}") == 1
    assert count(f"Lou{mark}vre", "Louvre") == 1


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("לובר", "בלובר"),  # Hebrew "in the Louvre" is one word
        ("Лувр", "Лувра"),  # Russian "of the Louvre"
        ("Louvre", "Louvrem"),
        ("लौव्र", "लौव्रे"),  # Devanagari, with a vowel sign more
    ],
)
def test_a_word_with_more_written_onto_it_is_another_word(entity: str, text: str) -> None:
    assert count(entity, text) == 0
    assert count(entity, f"{entity}, {text}") == 1


def test_a_thai_consonant_is_not_found_without_its_vowel_sign() -> None:
    assert count("ท", "ที่") == 0
    assert count("ท", "ที่", SUBSTRING) == 0
    assert count("ที่", "อยู่ที่ปารีส") == 1


def test_han_entities_are_found_in_longer_runs_and_side_by_side() -> None:
    assert count("蒙", "蒙蒙") == 2
    assert count("章", "第5章") == 1
    assert count("5", "第5章") == 1
    assert count("パリ", "パリー") == 1  # the long-vowel mark is a character of its own


@pytest.mark.parametrize(
    ("entity", "text", "sensitive", "insensitive"),
    [
        ("istanbul", "ISTANBUL", 0, 1),
        ("istanbul", "\u0130stanbul", 0, 0),  # İ is an i with a dot, not an i
        ("i\u0307stanbul", "\u0130STANBUL", 0, 1),
        ("\u0131stanbul", "istanbul", 0, 0),  # dotless i
        ("STRASSE", "Straße", 0, 1),
        ("STRASSE", "STRAẞE", 0, 1),
        ("fine", "\ufb01ne", 0, 1),  # a ligature
        ("'n", "\u0149", 0, 1),  # folds to an apostrophe and an n
        ("\u0391\u0399", "\u1fb3", 0, 1),  # an iota below counts as an iota
        ("\u03b1\u030a\u03b9", "\u03b1\u0345\u030a", 0, 1),  # even before another mark
        ("k", "\u212a", 0, 1),  # the Kelvin sign is a K to both
        ("K", "\u212a", 1, 1),
        ("\u00e5", "\u212b", 0, 1),
        ("\u00c5", "\u212b", 1, 1),
        ("\u03c3", "\u03c2", 0, 1),
        ("\U00010428", "\U00010400", 0, 1),  # Deseret, beyond the first plane
    ],
)
def test_case_folding_is_unicodes_and_no_languages(
    entity: str, text: str, sensitive: int, insensitive: int
) -> None:
    assert count(entity, text) == sensitive
    assert count(entity, text, INSENSITIVE) == insensitive


def test_an_i_is_not_cut_from_its_dot_when_case_is_ignored() -> None:
    options = ScoringOptions(CaseRule.INSENSITIVE, BoundaryRule.SUBSTRING)
    assert count("i", "\u0130", options) == 0


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("Paris", "\uff30\uff41\uff52\uff49\uff53"),  # full width
        ("No. 4", "No. \u2163"),  # a Roman numeral sign
        ("m2", "m\u00b2"),
        ("ﷺ", "صلى"),
        ("-", "\u2212"),  # minus
        ("-", "\uff0d"),
        ("'", "\u2032"),  # prime
        ("'", "\u00b4"),  # an acute accent that stands alone
        ("'", "`"),
        (",", "\u201a"),  # a low quotation mark
        ("Hawai'i", "Hawai\u02bbi"),  # the okina is a letter
        ("A", "\u0410"),  # Cyrillic
        ("...", "\u2026"),
    ],
)
def test_what_only_looks_alike_is_different(entity: str, text: str) -> None:
    assert count(entity, text) == 0
    assert count(entity, text, INSENSITIVE) == 0


def test_a_superscript_is_a_digit_at_the_end_of_a_word() -> None:
    assert count("m", "m\u00b2") == 0
    assert count("m", "m\u00b2", SUBSTRING) == 1


@pytest.mark.parametrize(
    ("entity", "text", "expected"),
    [
        ("Louvre", "the Louvre\u2019s wing", 1),
        ("Louvre's", "the Louvre\u2019s wing", 1),
        ("Louvre's", "the Louvre wing", 0),
        ("Artists'", "the Artists\u2019 House", 1),
        ("d'Orsay", "Musée d\u2019Orsay", 1),
        ("Orsay", "Musée d\u2019Orsay", 1),
        ("O'Keeffe", "O\u02bcKeeffe", 1),
        ("Keeffe", "O\u02bcKeeffe", 1),  # its apostrophe is one like any other
        ("St.", "St. Petersburg, St.Petersburg, St", 2),
        ("St. Petersburg", "St.Petersburg", 0),
        ("Louvre", "Louvre-Lens, Musée-Louvre", 2),
        ("Lens", "Louvre\u2011Lens", 1),
        ("Louvre", "Louvre_Lens, Louvre2, 2Louvre", 0),
        ("1917", "1917-1929, 1917\u20131929, in 19171", 2),
        ("3.5", "3.5 m, 13.5, 3.55, 3.5.1", 2),
    ],
)
def test_marks_and_digits_at_an_entitys_edge(entity: str, text: str, expected: int) -> None:
    assert count(entity, text) == expected


@pytest.mark.parametrize(
    "space", ["\u00a0", "\u2009", "\u202f", "\u3000", "\u2028", "\x85", "\x1f", "\u200b \u200b"]
)
def test_every_kind_of_space_is_a_space(space: str) -> None:
    assert count("No. 5", f"(No.{space}5)") == 1
    assert count(f"{space}No.{space}5{space}", "No. 5") == 1


def test_a_zero_width_space_is_none() -> None:
    assert count("Mona Lisa", "Mona\u200bLisa") == 0


@pytest.mark.parametrize("blank", [" ", "\u200e", "\ufe0f", "\u200d", "\u200c \u200d", "\u2062"])
def test_an_entity_of_nothing_visible_is_refused(blank: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"entities\[0\] must not be blank"):
        ScoringInput("c", "r", [blank])


def test_half_a_surrogate_pair_is_a_character_like_another() -> None:
    names = [name for name in METRICS if not METRICS[name].needs_encoder]
    item = ScoringInput("a \ud83d b", "b \ud83d a", ["\ud83d", "b \ud83d"])
    assert item.in_candidate.counts == [1, 0]
    assert item.in_reference.counts == [1, 1]
    assert len(score_all(item, names)) == len(names)


def test_a_null_character_is_one_like_another() -> None:
    assert count("a\x00b", "a\x00b a") == 1
    assert count("a", "a\x00b a") == 2


@pytest.mark.parametrize("boundary", BoundaryRule)
@given(text=st.text(max_size=30))
def test_the_pieces_of_a_text_make_up_the_text(boundary: BoundaryRule, text: str) -> None:
    pieces = joined_pieces(text, boundary)
    assert "".join(pieces) == text
    assert all(pieces)
