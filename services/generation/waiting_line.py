"""Calls that wait in one lane, taken from their clients in turn."""

import asyncio
from collections import OrderedDict

from services.core.errors import ServiceError


class Waiter:
    """One call that waits; await ``called``.

    Args:
        client: Whose call it is.
    """

    __slots__ = ("called", "client")

    def __init__(self, client: str) -> None:
        self.client = client
        self.called: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def was_called(self) -> bool:
        """Whether its turn has come, and it was neither refused nor cancelled before."""
        called = self.called
        return called.done() and not called.cancelled() and called.exception() is None

    def call_up(self) -> bool:
        """Says that its turn has come; False if it no longer waits."""
        if self.called.done():
            return False
        self.called.set_result(None)
        return True

    def refuse(self, error: ServiceError) -> None:
        """Ends its waiting with an error, unless it no longer waits."""
        if not self.called.done():
            self.called.set_exception(error)


class WaitingLine:
    """First come, first served among a client's calls; clients take turns.

    Joining, leaving and taking the next cost the same however many wait.
    """

    def __init__(self) -> None:
        self._clients: OrderedDict[str, OrderedDict[Waiter, None]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def join(self, client: str) -> Waiter:
        """Lets one more call of a client wait."""
        waiter = Waiter(client)
        self._clients.setdefault(client, OrderedDict())[waiter] = None
        self._count += 1
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Lets a call go that waits no longer; harmless if it has left already."""
        calls = self._clients.get(waiter.client)
        if calls is None or waiter not in calls:
            return
        del calls[waiter]
        self._settle(waiter.client, calls)

    def pop(self) -> Waiter | None:
        """Takes the oldest call of the client whose turn it is; None if nobody waits."""
        if not self._clients:
            return None
        client, calls = next(iter(self._clients.items()))
        waiter, _ = calls.popitem(last=False)
        self._clients.move_to_end(client)
        self._settle(client, calls)
        return waiter

    def pop_newest(self) -> Waiter | None:
        """Takes the newest call of the client with the most; None if nobody waits."""
        if not self._clients:
            return None
        client, calls = max(self._clients.items(), key=lambda item: len(item[1]))
        waiter, _ = calls.popitem()
        self._settle(client, calls)
        return waiter

    def pop_for(self, client: str) -> Waiter | None:
        """Takes the newest call of a client that has at least two more than this one, if any."""
        own = len(self._clients.get(client, ()))
        most = max((len(calls) for calls in self._clients.values()), default=0)
        return self.pop_newest() if most >= own + 2 else None

    def _settle(self, client: str, calls: OrderedDict[Waiter, None]) -> None:
        """Counts one call less, and forgets a client that has none left."""
        self._count -= 1
        if not calls:
            del self._clients[client]
