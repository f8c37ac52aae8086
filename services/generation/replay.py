"""Remembers what requests were answered with, so that a repeated one costs no second generation."""

import hashlib
import sys
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from services.core.errors import RequestIdConflictError
from services.generation.domain import Explanation, ExplanationRequest
from services.generation.shared_generation import SharedGeneration, WhenOver

# What an entry takes beside its texts: names, numbers and their objects (measured: 1.4 KB).
_ENTRY_BYTES = 1500


@dataclass(frozen=True, slots=True)
class ReplayLimits:
    """How much is remembered.

    Attributes:
        max_entries: Results.
        max_bytes: Memory that they take together.
        max_age_s: Seconds after which one is forgotten.
    """

    max_entries: int
    max_bytes: int
    max_age_s: float


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What a repeated request is recognised by.

    Attributes:
        client: Whose request it is: nobody reads another's results by guessing an id.
        request_id: The id that the client chose.
        body: Digest of everything that shapes the result.
    """

    client: str
    request_id: str
    body: bytes


def key_of(request: ExplanationRequest, client: str) -> RequestKey:
    """Makes the key of a request.

    Two requests ask for the same if they name the same model, adapter, picture, texts and sampling
    fields, set or left open alike. How the picture is sent, the lane, and whether the answer is to
    be streamed make no difference.
    """
    body = (
        request.model,
        request.adapter,
        request.image.digest if request.image is not None else None,
        request.instruction,
        request.system_text,
        request.sampling,
    )
    return RequestKey(client, request.request_id, hashlib.sha256(repr(body).encode()).digest())


@dataclass(frozen=True, slots=True)
class _Remembered:
    body: bytes
    result: Explanation
    forget_at: float
    size_bytes: int


class Replays:
    """The generations of named requests: those that run, and the results of those that succeeded.

    Failures are forgotten at once, so that the same request can be tried again.

    Args:
        limits: How much is remembered; the oldest is forgotten first.
        clock: Seconds that only grow.
    """

    def __init__(self, limits: ReplayLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._running: dict[tuple[str, str], tuple[bytes, SharedGeneration]] = {}
        self._results: OrderedDict[tuple[str, str], _Remembered] = OrderedDict()
        self._bytes = 0
        self._lookups = Counter({"new": 0, "replayed": 0, "joined": 0, "conflict": 0})

    @property
    def lookups(self) -> dict[str, int]:
        """How many named requests came, and what was found: new, replayed, joined or conflict."""
        return dict(self._lookups)

    @property
    def size_bytes(self) -> int:
        """Memory that the results take."""
        return self._bytes

    @property
    def running_count(self) -> int:
        """Named requests that are being generated."""
        return len(self._running)

    def __len__(self) -> int:
        return len(self._results)

    def find(self, key: RequestKey) -> SharedGeneration | Explanation | None:
        """Finds the result of a request, or the generation that will have it.

        Raises:
            RequestIdConflictError: The client used the id for another request.
        """
        self._forget_old()
        place = (key.client, key.request_id)
        try:
            if place in self._running:
                body, generation = self._running[place]
                _check_body(key, body)
                self._lookups["joined"] += 1
                return generation
            if place in self._results:
                remembered = self._results[place]
                _check_body(key, remembered.body)
                self._lookups["replayed"] += 1
                return remembered.result
        except RequestIdConflictError:
            self._lookups["conflict"] += 1
            raise
        self._lookups["new"] += 1
        return None

    def start(
        self, key: RequestKey, begin: Callable[[WhenOver], SharedGeneration]
    ) -> SharedGeneration:
        """Begins the generation of a request that is not known yet.

        Args:
            key: The request's key.
            begin: Makes the generation; it is given what the generation must call when it is over.
        """
        place = (key.client, key.request_id)

        def conclude(result: Explanation | None) -> None:
            self._running.pop(place, None)
            if result is not None:
                self._remember(place, key.body, result)

        generation = begin(conclude)
        self._running[place] = (key.body, generation)
        return generation

    def _remember(self, place: tuple[str, str], body: bytes, result: Explanation) -> None:
        texts = (result.text, *result.completion.provenance.sampling.stop)
        size_bytes = _ENTRY_BYTES + sum(sys.getsizeof(text) for text in texts)
        if size_bytes > self._limits.max_bytes:
            return
        forget_at = self._clock() + self._limits.max_age_s
        self._results[place] = _Remembered(body, result, forget_at, size_bytes)
        self._bytes += size_bytes
        while len(self._results) > self._limits.max_entries or self._bytes > self._limits.max_bytes:
            self._forget_oldest()

    def _forget_old(self) -> None:
        now = self._clock()
        while self._results and next(iter(self._results.values())).forget_at <= now:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, remembered = self._results.popitem(last=False)
        self._bytes -= remembered.size_bytes


def _check_body(key: RequestKey, body: bytes) -> None:
    if key.body != body:
        raise RequestIdConflictError(
            f"request_id {key.request_id!r} was used before for another request; "
            "choose a new one for a new request",
            request_id=key.request_id,
        )
