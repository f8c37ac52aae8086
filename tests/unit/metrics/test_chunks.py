"""The memory of split chunks."""

from services.metrics import chunks
from services.metrics.chunks import ChunkTokens


def test_a_chunk_is_split_once() -> None:
    asked: list[str] = []

    def split(chunk: str) -> list[str]:
        asked.append(chunk)
        return [*chunk]

    known = ChunkTokens(split)

    assert (known["ab"], known["ab"], asked) == (("a", "b"), ("a", "b"), ["ab"])


def test_long_chunks_are_not_remembered() -> None:
    known = ChunkTokens(lambda chunk: [chunk])
    long = "a" * (chunks._CHUNK_MAX_CHARS + 1)

    assert known[long] == (long,)
    assert len(known) == 0


def test_the_memory_is_bounded() -> None:
    known = ChunkTokens(lambda chunk: [chunk])

    for number in range(2 * chunks._CHUNK_COUNT + 5):
        assert known[str(number)] == (str(number),)

    assert len(known) <= chunks._CHUNK_COUNT
