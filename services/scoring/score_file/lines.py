"""Splits what is read into lines that are not too long, without waiting for more than it needs."""

from collections.abc import Callable, Iterator

CHUNK_BYTES = 64 * 1024


def split_lines(read: Callable[[int], bytes], max_line_bytes: int) -> Iterator[list[bytes | None]]:
    """Yields the lines that each chunk of the input completes, without their ends.

    Args:
        read: Gives at most so many of the next bytes, as soon as it has any; none at the end.
        max_line_bytes: Longest line. In the place of a longer one stands None; no more of it than
            this is held.
    """
    begun = bytearray()
    is_too_long = False
    while chunk := read(CHUNK_BYTES):
        *ends, rest = chunk.split(b"\n")
        lines: list[bytes | None] = []
        for end in ends:
            is_too_long = is_too_long or len(begun) + len(end) > max_line_bytes
            lines.append(None if is_too_long else bytes(begun) + end)
            begun.clear()
            is_too_long = False
        begun += rest
        if len(begun) > max_line_bytes:
            begun.clear()
            is_too_long = True
        if lines:
            yield lines
    if is_too_long:
        yield [None]
    elif begun:
        yield [bytes(begun)]
