"""Embeddings that are kept because their texts are likely to be asked for again."""

import sys
from collections import OrderedDict

from services.metrics.embeddings import TokenEmbeddings

# What an entry occupies besides its text and its numbers: the objects around them.
_ENTRY_BYTES = 600


class EmbeddingCache:
    """Keeps embeddings by text up to a number of bytes; drops those not asked for the longest.

    Args:
        max_bytes: How much all entries together may occupy; 0 keeps none.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.size_bytes = 0
        """What the entries occupy."""
        self._entries: OrderedDict[str, TokenEmbeddings] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, text: str) -> TokenEmbeddings | None:
        """Returns what is kept for a text."""
        embeddings = self._entries.get(text)
        if embeddings is not None:
            self._entries.move_to_end(text)
        return embeddings

    def put(self, text: str, embeddings: TokenEmbeddings) -> None:
        """Keeps a text's embeddings, unless they are larger than all the room there is."""
        size = _size_bytes(text, embeddings)
        if text in self._entries or size > self.max_bytes:
            return
        self._entries[text] = embeddings
        self.size_bytes += size
        while self.size_bytes > self.max_bytes:
            dropped = self._entries.popitem(last=False)
            self.size_bytes -= _size_bytes(*dropped)


def _size_bytes(text: str, embeddings: TokenEmbeddings) -> int:
    return _ENTRY_BYTES + sys.getsizeof(text) + embeddings.size_bytes
