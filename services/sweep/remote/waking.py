"""Wakes models that are scaled to zero."""

from __future__ import annotations  # the stub's type exists for the type checker only

import asyncio
import io

from PIL import Image

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as rpc
from services.core.errors import ServiceError
from services.sweep.remote.rpc_faults import translated

_PICTURE_EDGE = 64
# A model that loads may well refuse the question afterwards; one that is refused before it loads is
# refused every time.
_MOST_REFUSALS = 5


class Waker:
    """Has models loaded, by asking each something, and leaves before they go on about it.

    Args:
        stub: The generation service.
        timeout_s: How long one call waits for its model, at most.
    """

    def __init__(self, stub: rpc.GenerationServiceAsyncStub, timeout_s: float) -> None:
        self._stub = stub
        self._timeout_s = timeout_s
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._refusals: dict[str, int] = {}

    def wake(self, model: str) -> None:
        """Sees to it that a call is on its way to the model.

        Raises:
            ServiceError: The service refused every such call.
        """
        call = self._calls.get(model)
        if call is not None and not call.done():
            return
        if call is not None and (error := call.exception()) is not None:
            self._refusals[model] = self._refusals.get(model, 0) + 1
            if self._refusals[model] >= _MOST_REFUSALS:
                raise error
        self._calls[model] = asyncio.create_task(self._ask(model))

    def leave(self, model: str) -> None:
        """Ends the call to a model that is loaded: the next one may need its GPU."""
        if model in self._calls:
            self._calls[model].cancel()

    async def close(self) -> None:
        """Ends the calls: the models are loaded, or not waited for any longer."""
        for call in self._calls.values():
            call.cancel()
        await asyncio.gather(*self._calls.values(), return_exceptions=True)

    async def _ask(self, model: str) -> None:
        # With the entry's own sampling, which it cannot refuse; and with a picture, as some models
        # answer nothing without one.
        request = pb.GenerateExplanationRequest(
            model=model,
            image=content_pb2.Image(data=_picture()),
            instruction="What is this?",
            lane=pb.LANE_SWEEP,
        )
        try:
            with translated():
                await self._stub.GenerateExplanation(request, timeout=self._timeout_s)
        except ServiceError as error:
            if not error.retryable:
                error.message = f"model {model} is scaled to zero and cannot be woken: {error}"
                error.args = (error.message,)
                raise


def _picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (_PICTURE_EDGE, _PICTURE_EDGE), "grey").save(file, "PNG")
    return file.getvalue()
