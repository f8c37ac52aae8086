"""Both typed clients behind one face, and a service that fails as it is told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest
from grpc import aio

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.core.errors import ServiceError
from services.rpc.answers import abort
from services.rpc.generation_client import (
    ClientSecurity,
    Explanation,
    GenerationClient,
    Model,
    StoredImage,
    StreamEvent,
    connect,
    connect_async,
)
from services.rpc.limits import MAX_MESSAGE_BYTES


class Client(Protocol):
    """What both clients can do, as the tests call it."""

    async def explain(self, *args: object, **options: object) -> Explanation: ...

    def stream(self, *args: object, **options: object) -> AsyncIterator[StreamEvent]: ...

    async def put_image(self, image: Path | bytes) -> StoredImage: ...

    async def models(self) -> Sequence[Model]: ...

    async def model(self, name: str) -> Model: ...


class InThread:
    """The client without asyncio, called from a thread as an ordinary program would."""

    def __init__(self, client: GenerationClient) -> None:
        self._client = client

    async def explain(self, *args: object, **options: object) -> Explanation:
        return await asyncio.to_thread(self._client.explain, *args, **options)

    async def stream(self, *args: object, **options: object) -> AsyncIterator[StreamEvent]:
        events = self._client.stream(*args, **options)
        try:
            while (event := await asyncio.to_thread(next, events, None)) is not None:
                yield event
        finally:
            await asyncio.to_thread(events.close)

    async def put_image(self, image: Path | bytes) -> StoredImage:
        return await asyncio.to_thread(self._client.put_image, image)

    async def models(self) -> Sequence[Model]:
        return await asyncio.to_thread(self._client.models)

    async def model(self, name: str) -> Model:
        return await asyncio.to_thread(self._client.model, name)


both_clients = pytest.mark.parametrize("kind", ["blocking", "asyncio"])


@asynccontextmanager
async def client_of(
    kind: str, address: str, security: ClientSecurity | None = None
) -> AsyncIterator[Client]:
    if kind == "blocking":
        with connect(address, security) as client:
            yield InThread(client)
    else:
        async with connect_async(address, security) as client:
            yield client


class ToldServicer(pb_grpc.GenerationServiceServicer):
    """Answers with the errors that it was given, one a call, and then well; keeps the requests."""

    def __init__(self, *errors: ServiceError) -> None:
        self.errors = list(errors)
        self.requests: list[pb.GenerateExplanationRequest | pb.StreamExplanationRequest] = []

    async def GenerateExplanation(
        self, request: pb.GenerateExplanationRequest, context: object
    ) -> pb.GenerateExplanationResponse:
        self.requests.append(request)
        if self.errors:
            await abort(self.errors.pop(0), context)
        completion = pb.Completion(finish_reason=pb.FINISH_REASON_STOP)
        return pb.GenerateExplanationResponse(text="told", completion=completion)

    async def StreamExplanation(
        self, request: pb.StreamExplanationRequest, context: object
    ) -> AsyncIterator[pb.StreamExplanationResponse]:
        self.requests.append(request)
        if self.errors:
            await abort(self.errors.pop(0), context)
        yield pb.StreamExplanationResponse(text_delta="told")
        if request.model != "forgetful":
            yield pb.StreamExplanationResponse(completion=pb.Completion())

    @property
    def sources(self) -> list[str | None]:
        """How the pictures of the requests were given."""
        return [request.image.WhichOneof("source") for request in self.requests]


@asynccontextmanager
async def told(kind: str, *errors: ServiceError) -> AsyncIterator[tuple[Client, ToldServicer]]:
    servicer = ToldServicer(*errors)
    server = aio.server(options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)])
    pb_grpc.add_GenerationServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with client_of(kind, f"127.0.0.1:{port}") as client:
            yield client, servicer
    finally:
        await server.stop(None)
