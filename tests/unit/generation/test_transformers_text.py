"""How tokens become pieces of text, and where stop texts end them."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.generation.engines.transformers_text import AnswerText

LETTERS = "abcde"


def decode(token_ids: Sequence[int]) -> str:
    """One token a byte, as byte-level vocabularies end; token 0 is special and left out."""
    return bytes(token for token in token_ids if token).decode("utf-8", errors="replace")


def stream(
    text: str | bytes, *, stop: tuple[str, ...] = (), min_tokens: int = 0, prompt: str = "Q:"
) -> tuple[list[str], bool]:
    """Feeds a text a byte at a time; gives the pieces, and whether a stop text ended it."""
    answer = AnswerText(decode, list(prompt.encode()), stop=stop, min_tokens=min_tokens)
    pieces = []
    for token in text.encode() if isinstance(text, str) else text:
        if answer.add(token):
            return [*pieces, answer.take(is_finished=True)], True
        pieces.append(answer.take())
    return [*pieces, answer.take(is_finished=True)], False


def test_each_token_gives_its_text_at_once() -> None:
    assert stream("abc") == (["a", "b", "c", ""], False)


def test_a_character_of_several_tokens_comes_when_it_is_whole() -> None:
    assert stream("é1") == (["", "é", "1", ""], False)


def test_an_unfinished_character_at_the_end_is_left_out() -> None:
    assert "".join(stream(b"a\xc3")[0]) == "a"


def test_special_tokens_have_no_text() -> None:
    assert "".join(stream(b"a\x00b")[0]) == "ab"


def test_the_answer_continues_the_prompt_as_its_tokenizer_reads_it() -> None:
    # A tokenizer whose texts never begin with a space, as SentencePiece writes them.
    def strip_start(token_ids: Sequence[int]) -> str:
        return decode(token_ids).removeprefix(" ")

    answer = AnswerText(strip_start, list(b"Q:"), stop=(), min_tokens=0)
    pieces = []
    for token in b" a":
        answer.add(token)
        pieces.append(answer.take())
    assert pieces == [" ", "a"]


def test_a_stop_text_ends_the_answer_and_is_no_part_of_it() -> None:
    pieces, stopped = stream("one. two", stop=(". ",))
    assert ("".join(pieces), stopped) == ("one", True)


def test_nothing_is_given_out_that_may_begin_a_stop_text() -> None:
    # "END" is three long: two characters are always held back.
    assert stream("abEN", stop=("END",)) == (["", "", "a", "b", "EN"], False)


def test_the_earliest_stop_text_counts() -> None:
    # A token that brings several at once.
    answer = AnswerText(lambda ids: "".join(map(chr, ids)), [], stop=("c", "ab"), min_tokens=0)
    assert answer.add(ord("x")) is False
    whole = AnswerText(
        lambda ids: "".join("-abc" if token == 1 else "" for token in ids),
        [],
        stop=("c", "ab"),
        min_tokens=0,
    )
    assert whole.add(1) is True
    assert whole.take(is_finished=True) == "-"


def test_stop_texts_do_not_count_before_min_tokens() -> None:
    assert stream("a.b.c", stop=(".",), min_tokens=3)[0] != ["a"]
    pieces, stopped = stream("a.b.c", stop=(".",), min_tokens=3)
    # The fourth token is the first that may end it.
    assert ("".join(pieces), stopped) == ("a.b", True)


@given(
    st.text(LETTERS, max_size=30),
    st.lists(st.text(LETTERS, min_size=1, max_size=3), max_size=3).map(tuple),
)
def test_pieces_join_to_the_text_before_the_first_stop_text(
    text: str, stop: tuple[str, ...]
) -> None:
    pieces, stopped = stream(text, stop=stop)
    # The stop text that is complete first ends the answer; of several, the one that began first.
    ends = [at + len(end) for end in stop if (at := text.find(end)) >= 0]
    expected = text
    if ends:
        seen = text[: min(ends)]
        expected = text[: min(at for end in stop if (at := seen.find(end)) >= 0)]
    assert ("".join(pieces), stopped) == (expected, bool(ends))


@given(st.text(max_size=20))
def test_without_stop_texts_everything_comes_through(text: str) -> None:
    assert "".join(stream(text.replace("\ufffd", "").replace("\0", ""))[0]) == text.replace(
        "\ufffd", ""
    ).replace("\0", "")
