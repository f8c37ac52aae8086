"""The token file: what it may hold, and that no message gives a token away."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import UnauthenticatedError, UserInputError
from services.rpc.tokens import TokenFile, parse_tokens

GOOD = "k9VxN0m2Qw7ZsT4yB1cR6dEf"
OTHER = "3fA8hJ5uLpX2oGqWvY7nKtIe"


def test_names_and_tokens_are_read_and_comments_are_not() -> None:
    text = f"\ufeff# who token\r\n\r\n  sweeper \t {GOOD}  \r\n#old {GOOD}\ndash.board@x {OTHER}=="
    assert parse_tokens(text.encode(), "f") == {GOOD: "sweeper", f"{OTHER}==": "dash.board@x"}


def test_a_client_may_have_two_tokens_while_one_replaces_the_other() -> None:
    text = f"sweeper {GOOD}\nsweeper {OTHER}\n"
    assert parse_tokens(text.encode(), "f") == {GOOD: "sweeper", OTHER: "sweeper"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"a {GOOD}\nb {GOOD}\n", "line 2 has the same token as line 1"),
        (f"a {GOOD}\n\na {GOOD}\n", "line 3 has the same token as line 1"),
        (GOOD, "line 1 must be a client's name and its token, but has 1 words"),
        (f" {GOOD}\n", "line 1 must be a client's name and its token, but has 1 words"),
        (f"# x\na {GOOD} # mine\n", "line 2 must be a client's name and its token, but has 4"),
        (f"a/b {GOOD}", "line 1 must begin with a client's name"),
        (f"{'a' * 65} {GOOD}", "line 1 must begin with a client's name"),
        ("a " + GOOD[:19], "line 1 has a token of 19 characters; 20 to 512 are accepted"),
        ("a " + "x" * 513, "line 1 has a token of 513 characters"),
        (f"a {GOOD}ü", "line 1 has a token with other characters"),
        (f"a {GOOD},x", "line 1 has a token with other characters"),
        (b"\xff\xfe\x00", "is no text"),
    ],
)
def test_a_wrong_line_is_named_and_no_token_is_shown(text: str | bytes, problem: str) -> None:
    content = text.encode() if isinstance(text, str) else text
    with pytest.raises(UserInputError) as caught:
        parse_tokens(content, "/etc/tokens")
    assert caught.value.message.startswith(f"/etc/tokens: {problem}")
    assert GOOD[:19] not in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("text", ["", "# nothing\n\n"])
def test_a_file_without_tokens_lets_nobody_in(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"sweeper {GOOD}\n")
    tokens = TokenFile(path, check_interval_s=0)
    assert tokens.client_of(f"Bearer {GOOD}") == "sweeper"
    path.write_text(text)
    for guess in (GOOD, ""):
        with pytest.raises(UnauthenticatedError):
            tokens.client_of(f"Bearer {guess}")
    # A missing file, though, may be an accident: what was known stays.
    path.write_text(f"sweeper {GOOD}\n")
    assert tokens.client_of(f"Bearer {GOOD}") == "sweeper"
    path.unlink()
    assert tokens.client_of(f"Bearer {GOOD}") == "sweeper"


@given(st.binary(max_size=200))
def test_any_content_is_read_or_refused_in_one_line(content: bytes) -> None:
    message = None
    try:
        parsed = parse_tokens(content, "f")
        assert all(name and token for token, name in parsed.items())
    except UserInputError as error:
        message = error.message
    if message is not None:
        assert message.startswith("f: ")
        assert len(message.splitlines()) == 1


@given(st.text(max_size=60))
def test_no_guess_is_let_in(tmp_path_factory: pytest.TempPathFactory, guess: str) -> None:
    path = tmp_path_factory.getbasetemp() / "tokens"
    if not path.exists():
        path.write_text(f"sweeper {GOOD}\n")
    tokens = TokenFile(path)
    assert tokens.client_of(f"Bearer {GOOD}") == "sweeper"
    for authorization in (guess, f"Bearer {guess}"):
        with pytest.raises(UnauthenticatedError) as caught:
            tokens.client_of(authorization)
        assert GOOD not in caught.value.message


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match=r"token_file: cannot read .*: No such file"):
        TokenFile(tmp_path / "none")
