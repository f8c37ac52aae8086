"""In which order the tests of a worker run."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from tests.scheduling import longest_first


@dataclass(frozen=True)
class FakeItem:
    """A test, as far as its place goes."""

    name: str
    path: Path
    marks: tuple[str, ...] = ()
    fixturenames: tuple[str, ...] = ()

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None


def names(*items: FakeItem) -> list[str]:
    ordered = list(items)
    longest_first(cast("list[pytest.Item]", ordered))
    return [item.name for item in ordered]


def test_stacks_begin_then_slow_files_then_the_rest() -> None:
    assert names(
        FakeItem("quick", Path("a.py")),
        FakeItem("quick beside slow", Path("b.py")),
        FakeItem("slow", Path("b.py"), ("slow",)),
        FakeItem("stack", Path("c.py"), ("slow", "stack")),
    ) == ["stack", "quick beside slow", "slow", "quick"]


def test_the_shared_stack_stands_beside_no_other() -> None:
    marks, shared = ("slow", "stack"), ("tmp_path", "quickstart")
    assert names(
        FakeItem("shares", Path("e2e.py"), marks, shared),
        FakeItem("has its own", Path("e2e.py"), marks, ("demo_models",)),
        FakeItem("shares, too", Path("readme.py"), marks, shared),
        FakeItem("starts one for its file", Path("faults.py"), marks, ("stack",)),
        FakeItem("quick", Path("unit.py")),
    ) == ["has its own", "starts one for its file", "shares", "shares, too", "quick"]
