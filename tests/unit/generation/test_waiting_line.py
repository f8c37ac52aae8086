"""Whose turn it is in a lane, and who must leave when it is full."""

import pytest

from services.generation.waiting_line import Waiter, WaitingLine


def joined(line: WaitingLine, clients: str) -> list[Waiter]:
    return [line.join(client) for client in clients]


async def test_clients_take_turns_and_a_client_s_calls_keep_their_order() -> None:
    line = WaitingLine()
    a1, a2, a3, b1, c1, b2 = joined(line, "aaabcb")
    assert [line.pop() for _ in range(len(line))] == [a1, b1, c1, a2, b2, a3]
    assert line.pop() is None


async def test_the_newest_call_of_the_client_with_the_most_leaves_first() -> None:
    line = WaitingLine()
    _, _, b2, a2, b3 = joined(line, "abbab")
    # b has three and a two; then both have two, and a was first to join.
    assert [line.pop_newest() for _ in range(2)] == [b3, a2]
    assert line.pop_newest() is b2
    assert len(line) == 2


@pytest.mark.parametrize(
    ("waiting", "makes_room"),
    # For one more, the two clients would only swap, and then swap back.
    [("", False), ("a", False), ("aa", True), ("aab", False), ("aaab", True), ("aaaab", True)],
)
async def test_a_client_displaces_one_that_has_at_least_two_more(
    waiting: str, makes_room: bool
) -> None:
    line = WaitingLine()
    calls = joined(line, waiting)
    newest = calls[waiting.rindex("a")] if makes_room else None
    assert line.pop_for("b") is newest
    assert len(line) == len(waiting) - makes_room


async def test_one_that_has_left_is_not_counted_and_may_leave_again() -> None:
    line = WaitingLine()
    first, second = joined(line, "aa")
    for _ in range(2):
        line.leave(first)
    assert len(line) == 1
    assert line.pop() is second
    line.leave(second)
    assert len(line) == 0
