"""The client for ordinary programs, on gRPC's own threads; safe to share between threads."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.core.errors import GenerationAbortedError, ImageNotFoundError
from services.rpc.channel import open_blocking_channel
from services.rpc.client_security import ClientSecurity
from services.rpc.generation_client import messages
from services.rpc.generation_client.patience import LIST_TIMEOUT_S, TIMEOUT_S, Patience
from services.rpc.generation_client.pictures import SentPictures, picture_of
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


def connect(address: str, security: ClientSecurity | None = None) -> GenerationClient:
    """Makes a client of the service at an address; use it as a context manager.

    Args:
        address: ``host:port``, or any gRPC target such as ``dns:///fronts:9000``.
        security: TLS and the token to send with every call; by default plaintext without one.

    Raises:
        UserInputError: Settings of the security do not go together, or a file of it is wrong.
    """
    return GenerationClient(open_blocking_channel(address, security, repeats_generation=True))


class GenerationClient:
    """Calls a generation service; see :mod:`services.rpc.generation_client` for an example.

    Every method raises a ServiceError when the service fails, is not there or takes longer than
    ``timeout_s``, which counts from the call of the method and includes repetitions.

    Args:
        channel: A channel to the service, closed with this client.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel
        self._stub = pb_grpc.GenerationServiceStub(channel)
        self._pictures = SentPictures()

    def explain(
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
        picture = picture_of(image) if image is not None else None
        *named, last = self._pictures.ways(picture)
        for way in named:
            with suppress(ImageNotFoundError):
                return self._explain(question, way, patience)
        answer = self._explain(question, last, patience)
        self._pictures.note_taken(picture)
        return answer

    def stream(
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
    ) -> Generator[StreamEvent, None, None]:
        """Yields text as a model writes it, then one completion.

        Arguments and errors as those of :meth:`explain`. The generation and its time begin with
        the first step, and end with the iterator: closing it frees the engine's slot.
        """
        question = Question(
            model, instruction, adapter, system_text, sampling or Sampling(), lane, request_id
        )
        patience = Patience(timeout_s)
        picture = picture_of(image) if image is not None else None
        *named, last = self._pictures.ways(picture)
        for way in named:
            with suppress(ImageNotFoundError):  # which comes before any text
                yield from self._stream(question, way, patience)
                return
        for event in self._stream(question, last, patience):
            self._pictures.note_taken(picture)
            yield event

    def put_image(self, image: Path | bytes, *, timeout_s: float = TIMEOUT_S) -> StoredImage:
        """Uploads a picture ahead of the questions about it.

        That is never necessary: the first question about a picture brings it along. What comes back
        may be given to :meth:`explain` in its place, by a program that does not keep pictures.

        Raises:
            ServiceError: The service failed, or will not have the picture.
            UserInputError: The image cannot be read.
        """
        patience = Patience(timeout_s)
        picture = picture_of(image)
        steps = messages.upload_messages(picture)
        with _translated():
            answer = self._stub.PutImage(steps, timeout=patience.left_s)
        self._pictures.note_taken(picture)
        return messages.stored_image(answer)

    def models(self, *, timeout_s: float = LIST_TIMEOUT_S) -> tuple[Model, ...]:
        """Lists the service's catalog, sorted by name."""
        left_s = Patience(timeout_s).left_s
        with _translated():
            answer = self._stub.ListModels(pb.ListModelsRequest(), timeout=left_s)
        return tuple(map(messages.model, answer.models))

    def model(self, name: str, *, timeout_s: float = LIST_TIMEOUT_S) -> Model:
        """Gets one model of the catalog."""
        left_s = Patience(timeout_s).left_s
        with _translated():
            answer = self._stub.GetModel(pb.GetModelRequest(model=name), timeout=left_s)
        return messages.model(answer.model)

    def close(self) -> None:
        """Closes the channel; calls in flight end with GenerationAbortedError."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _explain(
        self, question: Question, image: content_pb2.Image | None, patience: Patience
    ) -> Explanation:
        request = messages.request_message(pb.GenerateExplanationRequest, question, image)
        with _translated():
            answer = self._stub.GenerateExplanation(request, timeout=patience.left_s)
        return messages.explanation(answer)

    def _stream(
        self, question: Question, image: content_pb2.Image | None, patience: Patience
    ) -> Generator[StreamEvent, None, None]:
        request = messages.request_message(pb.StreamExplanationRequest, question, image)
        call = self._stub.StreamExplanation(request, timeout=patience.left_s)
        event: StreamEvent | None = None
        try:
            with _translated():
                for message in call:
                    event = messages.stream_event(message)
                    yield event
        finally:
            call.cancel()  # whoever stops reading early must not leave the service working
        if not isinstance(event, Completion):
            raise GenerationAbortedError("the stream ended before the explanation was complete")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as failure:
        # gRPC raises what is the failed call as well, and says so in its documentation only.
        raise error_from_rpc(cast("grpc.Call", failure)) from failure
