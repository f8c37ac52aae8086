"""The client for programs that use asyncio; of one event loop."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from grpc import aio

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.core.errors import GenerationAbortedError, ImageNotFoundError
from services.rpc.channel import open_channel
from services.rpc.client_security import ClientSecurity
from services.rpc.generation_client import messages
from services.rpc.generation_client.patience import LIST_TIMEOUT_S, TIMEOUT_S, Patience
from services.rpc.generation_client.pictures import Picture, SentPictures, picture_of
from services.rpc.generation_client.values import (
    Completion,
    Explanation,
    ImageSource,
    Lane,
    Model,
    Question,
    Sampling,
    StoredImage,
    StreamEvent,
)
from services.rpc.status import error_from_rpc

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


def connect_async(address: str, security: ClientSecurity | None = None) -> AsyncGenerationClient:
    """Makes a client of the service at an address; use it as an async context manager.

    Args:
        address: ``host:port``, or any gRPC target such as ``dns:///fronts:9000``.
        security: TLS and the token to send with every call; by default plaintext without one.

    Raises:
        UserInputError: Settings of the security do not go together, or a file of it is wrong.
    """
    return AsyncGenerationClient(open_channel(address, security, repeats_generation=True))


class AsyncGenerationClient:
    """Calls a generation service; see :mod:`services.rpc.generation_client` for an example.

    Every method raises a ServiceError when the service fails, is not there or takes longer than
    ``timeout_s``, which counts from the call of the method and includes repetitions.

    Args:
        channel: A channel to the service, closed with this client.
    """

    def __init__(self, channel: aio.Channel) -> None:
        self._channel = channel
        self._stub = pb_grpc.GenerationServiceStub(channel)
        self._pictures = SentPictures()

    async def explain(
        self,
        model: str,
        instruction: str,
        image: ImageSource | None = None,
        *,
        adapter: str = "",
        system_text: str = "",
        sampling: Sampling | None = None,
        lane: Lane = Lane.INTERACTIVE,
        timeout_s: float = TIMEOUT_S,
        request_id: str = "",
    ) -> Explanation:
        """Has a model explain something.

        Args:
            model: Name of a model in the service's catalog.
            instruction: What to explain, in the words given to the model.
            image: The artwork's picture.
            adapter: One of the model's LoRA adapters; empty for the base model.
            system_text: Placed before the instruction; empty for what the chat template says.
            sampling: How tokens are chosen; what is left out is the model's default.
            lane: Which lane the request waits in.
            timeout_s: Seconds after which the generation is given up.
            request_id: Under which the same request may be repeated, also by another client of the
                same name, without a second generation; empty to have one drawn.

        Raises:
            ServiceError: The service failed.
            UserInputError: The image cannot be read, or an argument is none of its type.
        """
        question = Question(
            model, instruction, adapter, system_text, sampling or Sampling(), lane, request_id
        )
        patience = Patience(timeout_s)
        picture = await _read(image)
        *named, last = self._pictures.ways(picture)
        for way in named:
            with suppress(ImageNotFoundError):
                return await self._explain(question, way, patience)
        answer = await self._explain(question, last, patience)
        self._pictures.note_taken(picture)
        return answer

    async def stream(
        self,
        model: str,
        instruction: str,
        image: ImageSource | None = None,
        *,
        adapter: str = "",
        system_text: str = "",
        sampling: Sampling | None = None,
        lane: Lane = Lane.INTERACTIVE,
        timeout_s: float = TIMEOUT_S,
        request_id: str = "",
    ) -> AsyncGenerator[StreamEvent, None]:
        """Yields text as a model writes it, then one completion.

        Arguments and errors as those of :meth:`explain`. The generation and its time begin with
        the first step, and end with the iterator: closing it (:func:`contextlib.aclosing`) frees
        the engine's slot.
        """
        question = Question(
            model, instruction, adapter, system_text, sampling or Sampling(), lane, request_id
        )
        patience = Patience(timeout_s)
        picture = await _read(image)
        *named, last = self._pictures.ways(picture)
        for way in named:
            with suppress(ImageNotFoundError):  # which comes before any text
                async with aclosing(self._stream(question, way, patience)) as events:
                    async for event in events:
                        yield event
                return
        async with aclosing(self._stream(question, last, patience)) as events:
            async for event in events:
                self._pictures.note_taken(picture)
                yield event

    async def put_image(self, image: Path | bytes, *, timeout_s: float = TIMEOUT_S) -> StoredImage:
        """Uploads a picture ahead of the questions about it.

        That is never necessary: the first question about a picture brings it along. What comes back
        may be given to :meth:`explain` in its place, by a program that does not keep pictures.

        Raises:
            ServiceError: The service failed, or will not have the picture.
            UserInputError: The image cannot be read.
        """
        patience = Patience(timeout_s)
        picture = await asyncio.to_thread(picture_of, image)
        steps = messages.upload_messages(picture)
        with _translated():
            answer = await self._stub.PutImage(steps, timeout=patience.left_s)
        self._pictures.note_taken(picture)
        return messages.stored_image(answer)

    async def models(self, *, timeout_s: float = LIST_TIMEOUT_S) -> tuple[Model, ...]:
        """Lists the service's catalog, sorted by name."""
        left_s = Patience(timeout_s).left_s
        with _translated():
            answer = await self._stub.ListModels(pb.ListModelsRequest(), timeout=left_s)
        return tuple(map(messages.model, answer.models))

    async def model(self, name: str, *, timeout_s: float = LIST_TIMEOUT_S) -> Model:
        """Gets one model of the catalog."""
        left_s = Patience(timeout_s).left_s
        with _translated():
            answer = await self._stub.GetModel(pb.GetModelRequest(model=name), timeout=left_s)
        return messages.model(answer.model)

    async def close(self) -> None:
        """Closes the channel; calls in flight end with GenerationAbortedError."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _explain(
        self, question: Question, image: content_pb2.Image | None, patience: Patience
    ) -> Explanation:
        request = messages.request_message(pb.GenerateExplanationRequest, question, image)
        with _translated():
            answer = await self._stub.GenerateExplanation(request, timeout=patience.left_s)
        return messages.explanation(answer)

    async def _stream(
        self, question: Question, image: content_pb2.Image | None, patience: Patience
    ) -> AsyncGenerator[StreamEvent, None]:
        request = messages.request_message(pb.StreamExplanationRequest, question, image)
        call = self._stub.StreamExplanation(request, timeout=patience.left_s)
        event: StreamEvent | None = None
        try:
            with _translated():
                async for message in call:
                    event = messages.stream_event(message)
                    yield event
        finally:
            call.cancel()  # whoever stops reading early must not leave the service working
        if not isinstance(event, Completion):
            raise GenerationAbortedError("the stream ended before the explanation was complete")


async def _read(image: ImageSource | None) -> Picture | None:
    return None if image is None else await asyncio.to_thread(picture_of, image)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except aio.AioRpcError as failure:
        raise error_from_rpc(failure) from failure
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        # gRPC says the same of a call that ended with its channel; but nobody cancelled the caller.
        raise GenerationAbortedError("the client was closed during the call") from None
