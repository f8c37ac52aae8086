"""Bearer tokens: who may call, as a file says it.

The file has one token a line, after the name of the client that it is for::

    # who      token
    sweeper    k9VxN0m2Qw7ZsT4yB1cR6dEf
    dashboard  3fA8hJ5uLpX2oGqWvY7nKtIe

Blank lines and what follows a ``#`` at the start of a line are ignored. A name may have several
tokens, so that a token can be replaced while both are in use; a token belongs to one name. Where
there is no token, nobody may call: so the last one can be taken away.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from services.core.errors import UnauthenticatedError, UserInputError
from services.rpc.watched_files import CHECK_INTERVAL_S, WatchedFiles, read_file

# 20 characters of base64 hold 120 random bits; nobody guesses them.
MIN_TOKEN_CHARS = 20
MAX_TOKEN_CHARS = 512
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
# What RFC 6750 allows after "Bearer".
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_SCHEME = "bearer"
_HOW = "send the metadata 'authorization: Bearer TOKEN' (expart: --token-file)"


class TokenFile:
    """The tokens of a file, read again when it changes.

    Args:
        path: The file.
        check_interval_s: Least time between two looks at it.

    Raises:
        UserInputError: It cannot be read, or a line of it is wrong.
    """

    def __init__(self, path: Path, *, check_interval_s: float = CHECK_INTERVAL_S) -> None:
        # Keyed, so that how long a comparison takes tells nothing about any token.
        self._key = secrets.token_bytes(32)
        self._names = WatchedFiles[Mapping[bytes, str]](
            [path], lambda: self._read(path), check_interval_s=check_interval_s
        )

    def client_of(self, authorization: str | None) -> str:
        """Says whose token the value of an authorization header holds.

        Raises:
            UnauthenticatedError: There is none, or it is nobody's.
        """
        if authorization is None:
            raise UnauthenticatedError(f"the call carries no token; {_HOW}")
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != _SCHEME:
            raise UnauthenticatedError(f"the authorization is no bearer token; {_HOW}")
        digest = self._digest(token.strip())
        name = self._names.current().get(digest)
        if name is None:
            raise UnauthenticatedError("the token is not known here; ask for a valid one")
        return name

    def _read(self, path: Path) -> Mapping[bytes, str]:
        tokens = parse_tokens(read_file(path, "token_file"), str(path))
        return {self._digest(token): name for token, name in tokens.items()}

    def _digest(self, token: str) -> bytes:
        return hmac.digest(self._key, token.encode(), hashlib.sha256)


def parse_tokens(content: bytes, source: str) -> dict[str, str]:
    """Reads the lines of a token file.

    Args:
        content: What it holds.
        source: What to call it in messages.

    Returns:
        The client's name of every token; where there is none, nobody may call.

    Raises:
        UserInputError: A line is wrong; no message holds a token.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserInputError(f"{source}: is no text") from error
    tokens: dict[str, str] = {}
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        problem = _problem(words)
        if problem is None and words[1] in lines:
            problem = f"has the same token as line {lines[words[1]]}"
        if problem is not None:
            raise UserInputError(f"{source}: line {number} {problem}")
        name, token = words
        tokens[token] = name
        lines[token] = number
    return tokens


def _problem(words: list[str]) -> str | None:
    """What is wrong with a line; says nothing of what might be a token."""
    if len(words) != 2:  # noqa: PLR2004 - a name and a token
        return f"must be a client's name and its token, but has {len(words)} words"
    name, token = words
    if not _NAME.fullmatch(name):
        return "must begin with a client's name: letters, digits and ._@-, 64 at most"
    if not MIN_TOKEN_CHARS <= len(token) <= MAX_TOKEN_CHARS:
        return (
            f"has a token of {len(token)} characters; {MIN_TOKEN_CHARS} to {MAX_TOKEN_CHARS} are "
            "accepted (openssl rand -hex 32 makes one)"
        )
    if not _TOKEN.fullmatch(token):
        return "has a token with other characters than letters, digits and ._~+/-="
    return None
