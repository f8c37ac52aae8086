"""What is kept of the embeddings, and for how long."""

import numpy as np

from services.metrics import TokenEmbeddings
from services.scoring.embedding_cache import EmbeddingCache


def embeddings(tokens: int) -> TokenEmbeddings:
    """Of 1,000 dimensions: 4,004 bytes a token."""
    return TokenEmbeddings(
        np.zeros((tokens, 1000), np.float32), np.ones(tokens, np.float32), truncated=False
    )


def test_what_is_kept_is_found_again() -> None:
    cache = EmbeddingCache(10**6)
    kept = embeddings(2)
    cache.put("a", kept)
    assert cache.get("a") is kept
    assert cache.get("b") is None


def test_the_sizes_of_all_entries_stay_within_the_limit() -> None:
    # An entry has 4,004 bytes of numbers, and less than 1,000 of text and objects: of 50,000 bytes
    # at least 9 and at most 12 fit.
    cache = EmbeddingCache(50_000)
    for number in range(100):
        cache.put(str(number), embeddings(1))
        assert cache.size_bytes <= 50_000
    assert 9 <= len(cache) <= 12
    assert cache.size_bytes >= 4_004 * len(cache)


def test_the_entry_that_was_not_asked_for_the_longest_goes_first() -> None:
    cache = EmbeddingCache(15_000)  # three entries
    for text in ("a", "b", "c"):
        cache.put(text, embeddings(1))
    assert cache.get("a") is not None
    cache.put("d", embeddings(1))
    assert [text for text in "abcd" if cache.get(text) is not None] == ["a", "c", "d"]


def test_what_is_larger_than_the_cache_drives_nothing_out() -> None:
    cache = EmbeddingCache(15_000)
    cache.put("a", embeddings(1))
    cache.put("large", embeddings(4))
    assert cache.get("a") is not None
    assert cache.get("large") is None


def test_keeping_a_text_again_counts_it_once() -> None:
    cache = EmbeddingCache(15_000)
    cache.put("a", embeddings(1))
    size = cache.size_bytes
    cache.put("a", embeddings(1))
    assert (cache.size_bytes, len(cache)) == (size, 1)


def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    cache = EmbeddingCache(0)
    cache.put("", embeddings(0))
    assert (cache.size_bytes, len(cache)) == (0, 0)
