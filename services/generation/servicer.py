"""GenerationService on gRPC: a skin over ExplanationService."""

from __future__ import annotations  # grpc's context is generic for the type checker only

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.core.errors import UnimplementedError
from services.generation import convert
from services.generation.explanations import ExplanationService

if TYPE_CHECKING:
    from grpc import aio

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["GenerationService"].full_name


class GenerationServicer(pb_grpc.GenerationServiceServicer):
    """Reads a message, calls the service, writes a message; errors are raised, never returned."""

    def __init__(self, service: ExplanationService, *, image_max_bytes: int) -> None:
        self._service = service
        self._image_max_bytes = image_max_bytes

    async def GenerateExplanation(
        self,
        request: pb.GenerateExplanationRequest,
        context: aio.ServicerContext[pb.GenerateExplanationRequest, pb.GenerateExplanationResponse],
    ) -> pb.GenerateExplanationResponse:
        """Generates an explanation and returns it whole."""
        asked = convert.explanation_request(request, image_max_bytes=self._image_max_bytes)
        explanation = await self._service.explain(asked, context.time_remaining())
        return pb.GenerateExplanationResponse(
            text=explanation.text, completion=convert.completion_message(explanation.completion)
        )

    async def StreamExplanation(
        self,
        request: pb.StreamExplanationRequest,
        context: aio.ServicerContext[pb.StreamExplanationRequest, pb.StreamExplanationResponse],
    ) -> AsyncIterator[pb.StreamExplanationResponse]:
        """Generates an explanation and returns its text as it grows, then one completion."""
        asked = convert.explanation_request(request, image_max_bytes=self._image_max_bytes)
        async with aclosing(self._service.stream(asked, context.time_remaining())) as events:
            async for event in events:
                yield convert.event_message(event)

    async def ListModels(
        self,
        request: pb.ListModelsRequest,  # noqa: ARG002
        context: aio.ServicerContext[pb.ListModelsRequest, pb.ListModelsResponse],  # noqa: ARG002
    ) -> pb.ListModelsResponse:
        """Lists every model of the catalog with its present state."""
        return pb.ListModelsResponse(
            models=[convert.model_message(info) for info in self._service.models()]
        )

    async def GetModel(
        self,
        request: pb.GetModelRequest,
        context: aio.ServicerContext[pb.GetModelRequest, pb.GetModelResponse],  # noqa: ARG002
    ) -> pb.GetModelResponse:
        """Gets one model of the catalog with its present state."""
        info = self._service.model(request.model)
        return pb.GetModelResponse(model=convert.model_message(info))

    async def PutImage(
        self,
        request_iterator: AsyncIterator[pb.PutImageRequest],  # noqa: ARG002
        context: aio.ServicerContext[pb.PutImageRequest, pb.PutImageResponse],  # noqa: ARG002
    ) -> pb.PutImageResponse:
        """Is not served yet: requests carry their image's bytes."""
        raise UnimplementedError("PutImage is not served; send the image's bytes in the request")
