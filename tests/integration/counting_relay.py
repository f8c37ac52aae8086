"""A relay before a generation service that counts what the service generates for whom."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import grpc
from grpc import aio

from expart.generation.v1 import generation_service_pb2 as pb
from services.rpc.limits import MAX_MESSAGE_BYTES, MIN_PING_INTERVAL_MS

_STREAMED = "/expart.generation.v1.GenerationService/StreamExplanation"
_MESSAGES = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
)
_RECONNECTS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)
_PINGS = (
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_INTERVAL_MS),
)


@dataclass
class CountingRelay(grpc.GenericRpcHandler):
    """Passes every call on as it is, with how it ends.

    Attributes:
        channel: Leads to the service.
        generated: Generations that brought forth a token, by request id.
        completed: Ids whose answer came through to its end and is remembered by the service.
        answers: Whole answers, by model.
        in_flight: Calls for an explanation that have not ended, by request id.
        interrupted: How often an id was in flight when something was killed.
        caller_is_gone: Whether the caller was killed, and what still comes was sent before.
    """

    channel: aio.Channel
    address: str = ""
    generated: Counter[str] = field(default_factory=Counter)
    completed: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    in_flight: Counter[str] = field(default_factory=Counter)
    interrupted: Counter[str] = field(default_factory=Counter)
    caller_is_gone: bool = False

    def note_kill(self) -> None:
        """To be called at the moment at which anything is killed."""
        self.interrupted.update(set(self.in_flight))

    def forget_answers(self) -> None:
        """To be called when the service has lost what it remembered of its answers."""
        self.completed.clear()

    def generated_too_often(self) -> dict[str, int]:
        """Ids that were generated more often than once and once more for each kill they met."""
        return {
            key: count for key, count in self.generated.items() if count > 1 + self.interrupted[key]
        }

    def service(self, call: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        """Takes a call of any method."""
        metadata = [(key, value) for key, value in call.invocation_metadata if _is_ours(key)]

        async def pass_on(
            requests: AsyncIterator[bytes], context: aio.ServicerContext[bytes, bytes]
        ) -> AsyncGenerator[bytes, None]:
            method: aio.StreamStreamMultiCallable[bytes, bytes]
            method = self.channel.stream_stream(call.method)
            forth = method(
                requests, timeout=context.time_remaining(), metadata=aio.Metadata(*metadata)
            )
            try:
                async for response in forth:
                    yield response
            except aio.AioRpcError as error:
                trailing = tuple(error.trailing_metadata() or ())
                await context.abort(error.code(), error.details() or "", trailing)
            finally:
                forth.cancel()

        async def explain(
            requests: AsyncIterator[bytes], context: aio.ServicerContext[bytes, bytes]
        ) -> AsyncGenerator[bytes, None]:
            request = [message async for message in requests]
            asked = pb.StreamExplanationRequest.FromString(request[0])
            key = asked.request_id
            counts = key not in self.completed  # otherwise it is told what it was told before
            self.in_flight[key] += 1
            self.interrupted[key] += self.caller_is_gone
            try:
                async with aclosing(pass_on(_each(request), context)) as responses:
                    async for response in responses:
                        self.generated[key] += counts
                        counts = False
                        if pb.StreamExplanationResponse.FromString(response).HasField("completion"):
                            self.completed.add(key)
                            self.answers[asked.model] += 1
                        yield response
            finally:
                self.in_flight[key] -= 1
                self.in_flight += Counter()  # drops what has come to nothing

        return grpc.stream_stream_rpc_method_handler(
            explain if call.method == _STREAMED else pass_on
        )


@asynccontextmanager
async def counting_relay(target: str) -> AsyncIterator[CountingRelay]:
    """Stands before a generation service, at a loopback address of its own."""
    async with aio.insecure_channel(target, options=[*_MESSAGES, *_RECONNECTS]) as channel:
        relay = CountingRelay(channel)
        server = aio.server(handlers=[relay], options=[*_MESSAGES, *_PINGS])
        relay.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        try:
            yield relay
        finally:
            await server.stop(0)


async def _each(messages: Iterable[bytes]) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


def _is_ours(key: str) -> bool:
    """Whether gRPC does not send it by itself."""
    return not key.startswith((":", "grpc-")) and key not in ("user-agent", "te", "content-type")
