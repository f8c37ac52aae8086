"""Work in threads that nobody can interrupt, and the shard that is held by it."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.run.holding import holding
from services.sweep.run.threads import in_thread
from services.sweep.spec.sharding import Shard


async def test_what_a_thread_does_is_waited_for_however_often_that_is_cancelled() -> None:
    may_end, began, done = threading.Event(), threading.Event(), list[str]()

    def work() -> str:
        began.set()
        assert may_end.wait(10)
        done.append("done")
        return "result"

    working = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(began.wait, 10)
    for _ in range(3):
        working.cancel()
        await asyncio.sleep(0)
    assert not working.done()
    may_end.set()
    await asyncio.wait([working])
    assert working.cancelled()
    assert done == ["done"]


async def test_what_a_thread_returns_and_raises_comes_out() -> None:
    assert await in_thread(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


class SlowHold:
    """Stands in for ``hold_shard`` where the shard is to be waited for."""

    def __init__(self) -> None:
        self.is_asked, self.may_have = threading.Event(), threading.Event()
        self.calls: list[str] = []
        self.threads: set[int] = set()

    @contextmanager
    def hold(
        self, store: ResultStore, shard: Shard, *, to_ask: bool, note: Callable[[str], None]
    ) -> Iterator[ResultTables]:
        del to_ask, note
        self.is_asked.set()
        assert self.may_have.wait(10)
        self._note("taken")
        try:
            yield store.tables(shard)
        finally:
            self._note("given back")

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self.threads.add(threading.get_ident())


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SlowHold:
    slow = SlowHold()
    monkeypatch.setattr("services.sweep.run.holding.hold_shard", slow.hold)
    return slow


async def test_a_shard_that_comes_after_the_run_was_cancelled_is_given_back(
    slow: SlowHold, tmp_path: Path
) -> None:
    async def run() -> None:
        async with holding(ResultStore(tmp_path), Shard()):
            pytest.fail("it was cancelled before it had the shard")

    running = asyncio.create_task(run())
    await asyncio.to_thread(slow.is_asked.wait, 10)
    running.cancel()
    slow.may_have.set()
    await asyncio.wait([running])
    assert running.cancelled()
    assert slow.calls == ["taken", "given back"]


async def test_the_event_loop_neither_takes_nor_gives_back_a_shard(
    slow: SlowHold, tmp_path: Path
) -> None:
    slow.may_have.set()
    with pytest.raises(ZeroDivisionError):
        async with holding(ResultStore(tmp_path), Shard()):
            raise ZeroDivisionError
    assert slow.calls == ["taken", "given back"]
    assert threading.get_ident() not in slow.threads
