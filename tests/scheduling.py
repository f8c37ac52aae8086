"""Spreads the test files over pytest-xdist's workers, so that waiting costs less time.

A file stays whole, so that what its fixtures start is started once. All files that start a stack
of Ray run on one worker, one after the other: two stacks at once would starve each other on a small
machine, and the tests of faults count seconds. What takes long begins first.
"""

from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

_PROJECT = Path(__file__).resolve().parents[1]
_STACKS = "stacks"


class FileScheduling(LoadScopeScheduling):
    """Gives each worker one file after another; the files with stacks count as one."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return _STACKS if _starts_a_stack(file) else file


@cache
def _starts_a_stack(file: str) -> bool:
    # The process that hands out tests has collected none, so it knows no marks.
    return "pytest.mark.stack" in (_PROJECT / file).read_text(encoding="utf-8")


def asks_for_quickstart(item: pytest.Item) -> bool:
    """Whether a test needs the stack that lasts for several files."""
    return "quickstart" in getattr(item, "fixturenames", ())


def longest_first(items: list[pytest.Item]) -> None:
    """Sorts tests by what their files are marked with: stacks, then slow ones, then the rest.

    Those that share a stack come last among the stacks, so that it stands beside no other.
    """
    ranks: dict[Path, int] = {}
    for item in items:
        rank = 0 if item.get_closest_marker("stack") else 1
        if rank and not item.get_closest_marker("slow"):
            rank = 2
        ranks[item.path] = min(rank, ranks.get(item.path, rank))
    items.sort(key=lambda item: (ranks[item.path], asks_for_quickstart(item)))
