"""Messages of other libraries, made fit for one line."""

import pytest

from services.generation.messages import one_line


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("short", "short"),
        ("two\n  lines\r\n", "two lines"),
        (ValueError("one\n\ttwo"), "one two"),
        (ValueError(), "ValueError"),
        ("x" * 501, "x" * 500),
    ],
)
def test_a_message_becomes_one_short_line(message: object, line: str) -> None:
    assert one_line(message) == line
