"""Sentences and tokens; parity with NLTK over many texts is in tests/properties."""

import re

import pytest

from services.metrics.tokens import sentence_spans, word_tokenize, words


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" \n ", []),
        ("He met Dr. Smith. They left.", ["He met Dr. Smith.", "They left."]),
        ("J. S. Bach wrote it. It is old.", ["J. S. Bach wrote it.", "It is old."]),
        ('"It is red." He left.', ['"It is red."', "He left."]),
        ("Is it? It is! Good.", ["Is it?", "It is!", "Good."]),
    ],
)
def test_sentences_are_punkts(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Mona Lisa", ["Mona", "Lisa"]),
        ("cannot", ["can", "not"]),
        ("It's Mondrian's.", ["It", "'s", "Mondrian", "'s", "."]),
        ("(red, 3.5 m)", ["(", "red", ",", "3.5", "m", ")"]),
        ('"Swan"', ["``", "Swan", "''"]),
        ("a--b...", ["a", "--", "b", "..."]),
    ],
)
def test_tokens_are_nltks(text: str, expected: list[str]) -> None:
    assert word_tokenize(text) == expected


def test_unseen_words_leave_no_trace_in_the_model() -> None:
    from services.metrics.sentences import _SPLITTER

    known = len(_SPLITTER.parameters.ortho_context)
    for number in range(50):
        sentences(f"See fig. Zzyzx{number}. A B. Qwy{number}! C. Vvv{number} ends.")
    assert len(_SPLITTER.parameters.ortho_context) == known


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Alone, within and at the end of a sentence: only the last full stop is set apart.
        ("e.g.", ["e.g", "."]),
        ("e.g. this", ["e.g.", "this"]),
        ("this e.g.", ["this", "e.g", "."]),
        # The full stop may stand before closing marks, with spaces between.
        ("it (is red. )", ["it", "(", "is", "red", ".", ")"]),
        ('"It\'s" he said', ["``", "It", "'s", "''", "he", "said"]),
        ('he said "it\'s"', ["he", "said", "``", "it", "'s", "''"]),
        ("1:30, 2,5: x", ["1:30", ",", "2,5", ":", "x"]),
        ("gonna cannot", ["gon", "na", "can", "not"]),
        ("one\ntwo\u00a0three", ["one", "two", "three"]),
    ],
)
def test_where_a_chunk_stands_decides_how_it_is_split(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_what_a_letter_is_to_the_tokenizer_is_its_regex_engines_to_say() -> None:
    # An apostrophe parts from a word that follows. A vowel sign is a word character to the package
    # `regex` and none to `re`: hence the engine's place in the signature.
    assert re.match(r"\w", "\u0940") is None
    assert word_tokenize("say '\u0940") == ["say", "'", "\u0940"]
    assert word_tokenize("say '\u2764") == ["say", "'\u2764"]
