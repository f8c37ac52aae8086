"""GenerationService on gRPC: a skin over ExplanationService."""

from __future__ import annotations  # grpc's context is generic for the type checker only

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.generation import convert
from services.generation.domain import ExplanationRequest, ImageHeader
from services.generation.explanations import ExplanationService
from services.generation.image_upload import ImageUploads
from services.rpc.clients import calling_client
from services.telemetry.logging import bind_request

if TYPE_CHECKING:
    from grpc import aio

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["GenerationService"].full_name


class GenerationServicer(pb_grpc.GenerationServiceServicer):
    """Reads a message, calls the service, writes a message; errors are raised, never returned."""

    def __init__(
        self, service: ExplanationService, uploads: ImageUploads, *, image_max_bytes: int
    ) -> None:
        self._service = service
        self._uploads = uploads
        self._image_max_bytes = image_max_bytes

    async def GenerateExplanation(
        self,
        request: pb.GenerateExplanationRequest,
        context: aio.ServicerContext[pb.GenerateExplanationRequest, pb.GenerateExplanationResponse],
    ) -> pb.GenerateExplanationResponse:
        """Generates an explanation and returns it whole."""
        explaining = self._service.explain(
            self._asked(request), context.time_remaining(), calling_client()
        )
        del request  # the message holds the picture once more
        explanation = await explaining
        return pb.GenerateExplanationResponse(
            text=explanation.text, completion=convert.completion_message(explanation.completion)
        )

    async def StreamExplanation(
        self,
        request: pb.StreamExplanationRequest,
        context: aio.ServicerContext[pb.StreamExplanationRequest, pb.StreamExplanationResponse],
    ) -> AsyncIterator[pb.StreamExplanationResponse]:
        """Generates an explanation and returns its text as it grows, then one completion."""
        streaming = self._service.stream(
            self._asked(request), context.time_remaining(), calling_client()
        )
        del request
        async with aclosing(streaming) as events:
            async for event in events:
                yield convert.event_message(event)

    async def ListModels(
        self,
        request: pb.ListModelsRequest,  # noqa: ARG002 - gRPC passes it
        context: aio.ServicerContext[pb.ListModelsRequest, pb.ListModelsResponse],  # noqa: ARG002 - gRPC passes it
    ) -> pb.ListModelsResponse:
        """Lists every model of the catalog with its present state."""
        return pb.ListModelsResponse(
            models=[convert.model_message(info) for info in self._service.models()]
        )

    async def GetModel(
        self,
        request: pb.GetModelRequest,
        context: aio.ServicerContext[pb.GetModelRequest, pb.GetModelResponse],  # noqa: ARG002 - gRPC passes it
    ) -> pb.GetModelResponse:
        """Gets one model of the catalog with its present state."""
        info = self._service.model(request.model)
        return pb.GetModelResponse(model=convert.model_message(info))

    async def PutImage(
        self,
        request_iterator: AsyncIterator[pb.PutImageRequest],
        context: aio.ServicerContext[pb.PutImageRequest, pb.PutImageResponse],  # noqa: ARG002 - gRPC passes it
    ) -> pb.PutImageResponse:
        """Stores an image that later requests name by its digest."""
        most = self._image_max_bytes
        # Not a generator: one that its reader leaves would wait for the garbage collector.
        steps = _Steps(request_iterator, partial(convert.upload_step, image_max_bytes=most))
        return convert.stored_message(await self._uploads.receive(steps, calling_client()))

    def _asked(
        self, request: pb.GenerateExplanationRequest | pb.StreamExplanationRequest
    ) -> ExplanationRequest:
        asked = convert.explanation_request(request, image_max_bytes=self._image_max_bytes)
        if not asked.is_named:  # what its caller has named was noted when the request was read
            bind_request(asked.request_id, asked.model)
        return asked


class _Steps:
    """The steps of an upload as they come."""

    def __init__(
        self,
        messages: AsyncIterator[pb.PutImageRequest],
        read: Callable[[pb.PutImageRequest], ImageHeader | bytes],
    ) -> None:
        self._messages = messages
        self._read = read

    def __aiter__(self) -> _Steps:
        return self

    async def __anext__(self) -> ImageHeader | bytes:
        return self._read(await anext(self._messages))
