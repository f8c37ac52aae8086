"""What goes wrong in the scripted engine, and for which requests."""

import asyncio
import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable

from services.core.errors import EngineUnavailableError, InvalidRequestError, OverloadedError
from services.generation.catalog import ModelSpec, ScriptedFault
from services.generation.domain import EngineRequest
from services.generation.engines.scripted_text import content_of

# What a process that the script crashes ends with; none of Python's own.
CRASH_EXIT_CODE = 70

_STOP_POLL_S = 0.05
_HASH_RANGE = 2**64


class FaultScript:
    """Chooses a request's fault and plays it.

    Args:
        spec: The model's catalog entry.
        is_stopped: Tells whether the engine was stopped, which ends what hangs stubbornly.
    """

    def __init__(self, spec: ModelSpec, is_stopped: Callable[[], bool]) -> None:
        self._model = spec.name
        self._faults = spec.scripted.faults
        self._is_stopped = is_stopped
        self._played: Counter[int] = Counter()

    def choose(self, request: EngineRequest) -> ScriptedFault | None:
        """Gives the fault that meets a request, and counts it; None if all goes well."""
        for index, fault in enumerate(self._faults):
            used_up = fault.times is not None and self._played[index] >= fault.times
            if not used_up and self._meets(index, fault, request):
                self._played[index] += 1
                return fault
        return None

    async def play(self, fault: ScriptedFault) -> None:
        """Does what the fault says; returns only from what never happens.

        Raises:
            EngineUnavailableError: The action is ``fail``, or a hang ended with the engine.
            InvalidRequestError: It is ``refuse``.
            OverloadedError: It is ``overload``.
        """
        match fault.action:
            case "fail":
                raise EngineUnavailableError(f"the script of {self._model} says that it is lost")
            case "refuse":
                raise InvalidRequestError(f"the script of {self._model} refuses the request")
            case "overload":
                raise OverloadedError(f"the script of {self._model} says that it is overloaded")
            case "hang":
                await asyncio.Event().wait()
            case "hang_stubbornly":
                await self._hang_stubbornly()
            case "freeze":
                while True:
                    time.sleep(3600)  # noqa: ASYNC251 - the event loop is meant to stand still
            case "crash":
                os._exit(CRASH_EXIT_CODE)

    def _meets(self, index: int, fault: ScriptedFault, request: EngineRequest) -> bool:
        if fault.instruction_contains not in request.instruction:
            return False
        if fault.request_id_contains not in request.request_id:
            return False
        # Salted, so that of two faults with a share each, the second does not meet the same ones.
        text = f"{index}\0{request.request_id}\0{content_of(self._model, request)}"
        drawn = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        return drawn < fault.share * _HASH_RANGE

    async def _hang_stubbornly(self) -> None:
        while not self._is_stopped():
            try:
                await asyncio.sleep(_STOP_POLL_S)
            except asyncio.CancelledError:
                # The very fault that is played: a generation which does not end when told to.
                continue
        raise EngineUnavailableError(f"the engine of {self._model} was stopped")
