"""A memory of how what stands between two spaces is split into tokens."""

from collections.abc import Callable, Sequence

_CHUNK_COUNT = 2**15
_CHUNK_MAX_CHARS = 32


class ChunkTokens(dict[str, tuple[str, ...]]):
    """The tokens of every chunk that is asked for, of which the short ones are remembered.

    A tokenizer whose rules never look beyond a space splits a chunk in the same way wherever it
    occurs; and a few thousand chunks make up most of any text. A dictionary, and not an
    ``lru_cache``, so that a known chunk costs a look-up and no call.

    Args:
        split: Splits a chunk into tokens.
    """

    def __init__(self, split: Callable[[str], Sequence[str]]) -> None:
        super().__init__()
        self._split = split

    def __missing__(self, chunk: str) -> tuple[str, ...]:
        tokens = tuple(self._split(chunk))
        if len(chunk) <= _CHUNK_MAX_CHARS:
            if len(self) >= _CHUNK_COUNT:
                self.clear()  # bounds the memory; what is frequent is soon known again
            self[chunk] = tokens
        return tokens
