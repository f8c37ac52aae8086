"""Every script that is written without spaces, and every invisible character, one by one."""

import pytest

from services.core.errors import InvalidRequestError
from services.metrics import ScoringInput


def count(entity: str, text: str) -> int:
    """How often the entity occurs in the text."""
    [found] = ScoringInput(text, "reference", [entity]).in_candidate.counts
    return found


@pytest.mark.parametrize(
    ("entity", "inside"),
    [
        ("蒙娜", "在蒙娜丽"),  # Han
        ("\u3400\u4dbf", "\u3401\u3400\u4dbf\u3402"),  # its extension A
        ("\U00020000\U0002a6df", "\U00020001\U00020000\U0002a6df\U00020002"),  # extension B
        ("\U00030000", "\U00030001\U00030000\U00030002"),  # extension G
        ("〇々", "二〇々年"),  # the zero and the repetition mark
        ("\u2f00", "\u2f01\u2f00\u2f02"),  # radicals
        ("ひら", "がひらな"),  # Hiragana
        ("カタ", "ンカタナ"),  # Katakana
        ("\u31f0\u31f1", "ア\u31f0\u31f1ア"),  # its phonetic extensions
        ("\uff76\uff80", "\uff9d\uff76\uff80\uff85"),  # half width
        ("ไทย", "กไทยก"),  # Thai
        ("ລາວ", "ກລາວກ"),  # Lao
        ("ខ្មែរ", "កខ្មែរក"),  # Khmer
        ("မြန်မာ", "ကမြန်မာက"),  # Burmese
    ],
)
def test_each_script_without_spaces_has_its_entities_found_within_a_run(
    entity: str, inside: str
) -> None:
    assert count(entity, inside) == 1
    assert count(entity, f"a{inside}b") == 1
    assert count(entity, f"a{entity}1") == 1


@pytest.mark.parametrize(
    ("entity", "inside"),
    [
        ("루브르", "이루브르에"),
        ("\u16a0\u16a1", "\u16a2\u16a0\u16a1\u16a3"),
        ("\u1200", "\u1201\u1200"),
    ],
)
def test_a_script_with_word_breaks_has_no_entity_found_within_a_word(
    entity: str, inside: str
) -> None:
    # Korean, runes, Ethiopic.
    assert count(entity, inside) == 0
    assert count(entity, f"{entity} {inside}") == 1


@pytest.mark.parametrize(
    "invisible",
    [
        "\u00ad",  # soft hyphen
        "\u034f",  # combining grapheme joiner
        "\u061c",  # Arabic letter mark
        *"\u180b\u180c\u180d\u180f",  # Mongolian variation selectors
        *"\u200b\u200e\u200f",  # zero-width space, marks of direction
        *"\u202a\u202b\u202c\u202d\u202e",  # embeddings and overrides
        *"\u2060\u2061\u2062\u2063\u2064",  # word joiner, invisible operators
        *"\u2066\u2067\u2068\u2069",  # isolates
        *"\u206a\u206b\u206c\u206d\u206e\u206f",  # controls out of use
        *"\ufe00\ufe0f",  # variation selectors
        "\ufeff",  # byte order mark
        *"\U000e0100\U000e01ef",  # further variation selectors
    ],
)
def test_each_invisible_character_is_as_if_it_were_not_there(invisible: str) -> None:
    assert count("Louvre", f"the Lou{invisible}vre, {invisible}Louvre{invisible}!") == 2
    assert count(f"{invisible}Lou{invisible}vre", "the Louvre") == 1
    assert count("Lou", f"Lou{invisible}vre") == 0
    with pytest.raises(InvalidRequestError, match="must not be blank"):
        ScoringInput("c", "r", [invisible])


@pytest.mark.parametrize(
    "visible", ["\u200c", "\u200d", "\u2065\u0301", "\u180e", "\ufdff", "\u00ac"]
)
def test_what_stands_next_to_the_invisible_ones_is_there(visible: str) -> None:
    assert count("Louvre", f"Lou{visible}vre") == 0
    assert count(f"Lou{visible}vre", f"Lou{visible}vre") == 1
