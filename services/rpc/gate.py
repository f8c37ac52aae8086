"""Decides whether a call may go on: is the server draining, who calls, is there room."""

from __future__ import annotations  # grpc's context is generic for the type checker only

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from services.core.errors import DrainingError, OverloadedError, UnauthenticatedError
from services.rpc.call_limits import CallLimiter
from services.rpc.clients import certified_name, peer_address
from services.rpc.limits import MAX_PROBES, PROBE_RETRY_AFTER_S
from services.rpc.tokens import TokenFile

if TYPE_CHECKING:
    from grpc import aio

    Context = aio.ServicerContext[object, object]
    Metadata = Iterable[tuple[str, str | bytes]]

_HEALTH = "/grpc.health.v1."
_REFLECTION = "/grpc.reflection."


def is_probe(method: str) -> bool:
    """Whether a method is a health check, which is answered to anybody at any time."""
    return method.startswith(_HEALTH)


class CallGate:
    """Lets calls in.

    Args:
        tokens: The tokens of those who may call; none: everybody may.
        limiter: Counts the calls.
        check_room: Called with a call's method; raises an OverloadedError where the service itself
            has no room.
        has_certified_clients: Whether clients show certificates.
    """

    def __init__(
        self,
        tokens: TokenFile | None,
        limiter: CallLimiter,
        check_room: Callable[[str], None],
        *,
        has_certified_clients: bool,
    ) -> None:
        self._tokens = tokens
        self._limiter = limiter
        self._check_room = check_room
        self._has_certified_clients = has_certified_clients
        self._draining = False
        self._probes = 0
        # Calls that a drain waits for; who looks around by reflection can be cut off.
        self._working = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_draining(self) -> bool:
        """Whether new calls are refused."""
        return self._draining

    def drain(self) -> None:
        """From now on refuses new calls."""
        self._draining = True

    async def wait_idle(self, timeout_s: float) -> bool:
        """Waits for the calls in flight to end; False if some did not within ``timeout_s``."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._idle.wait()
        except TimeoutError:
            return False

    def check(self, method: str, metadata: Metadata) -> str | None:
        """Judges a call by its first bytes, before its request is read.

        Returns:
            The name that belongs to the call's token; none where no token is asked for.

        Raises:
            DrainingError: The server is being stopped.
            UnauthenticatedError: The token is missing or unknown.
            OverloadedError: The server is full.
        """
        if is_probe(method):
            return None
        if self._draining:
            raise DrainingError("the service is shutting down; another instance may answer")
        name = None if self._tokens is None else self._tokens.client_of(_authorization(metadata))
        self._limiter.check_room()
        self._check_room(method)
        return name

    def name_client(self, token_name: str | None, context: Context) -> str:
        """Names a client: by its token, else by its certificate, else by its address."""
        if token_name is not None:
            return token_name
        certified = None
        if self._has_certified_clients:
            certified = certified_name(context.auth_context())
        return certified if certified is not None else peer_address(context.peer())

    @contextmanager
    def admit(self, method: str, client: str) -> Iterator[None]:
        """Holds a place for a call while it is in flight.

        Raises:
            OverloadedError: The server, or this client, is at a limit; it says when to try again.
        """
        if is_probe(method):
            with self._admit_probe():
                yield
            return
        with self._limiter.admit(client):
            if method.startswith(_REFLECTION):
                yield
                return
            self._working += 1
            self._idle.clear()
            try:
                yield
            finally:
                self._working -= 1
                if not self._working:
                    self._idle.set()

    @contextmanager
    def _admit_probe(self) -> Iterator[None]:
        if self._probes >= MAX_PROBES:
            raise OverloadedError(
                f"{MAX_PROBES} health checks are in flight, as many as may be",
                retry_after_s=PROBE_RETRY_AFTER_S,
                max_probes=str(MAX_PROBES),
            )
        self._probes += 1
        try:
            yield
        finally:
            self._probes -= 1


def _authorization(metadata: Metadata) -> str | None:
    values = [value for name, value in metadata if name == "authorization"]
    if len(values) > 1:
        raise UnauthenticatedError("the call carries more than one authorization; send one")
    return str(values[0]) if values else None
