"""A channel that sends headers with every call: a token, and where the call comes from."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar, cast

import grpc
from grpc import aio

from services.rpc.watched_files import WatchedFiles
from services.telemetry.propagation import Headers, outgoing_headers

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")
CallableT = TypeVar("CallableT", bound=Callable[..., object])


class HeaderChannel(aio.Channel):
    """Sends headers with every call on another channel.

    Where there is a token, ``authorization: Bearer …``; where the call is part of a trace or of a
    sweep, what says so. gRPC's own call credentials refuse to travel in plaintext, and its client
    interceptors put a queue between a stream and its writer; this adds headers and nothing else.

    Args:
        channel: The channel that is called; closed with this one.
        token: The token, as its file holds it now; None sends none.
    """

    def __init__(self, channel: aio.Channel, token: WatchedFiles[str] | None) -> None:
        self._channel = channel
        self._token = token

    def unary_unary(
        self,
        method: str,
        request_serializer: Callable[[RequestT], bytes] | None = None,
        response_deserializer: Callable[[bytes], ResponseT] | None = None,
        _registered_method: bool | None = False,
    ) -> aio.UnaryUnaryMultiCallable[RequestT, ResponseT]:
        """Makes what calls a method with one request and one response."""
        return self._sending(
            self._channel.unary_unary(method, request_serializer, response_deserializer)
        )

    def unary_stream(
        self,
        method: str,
        request_serializer: Callable[[RequestT], bytes] | None = None,
        response_deserializer: Callable[[bytes], ResponseT] | None = None,
        _registered_method: bool | None = False,
    ) -> aio.UnaryStreamMultiCallable[RequestT, ResponseT]:
        """Makes what calls a method with one request and many responses."""
        return self._sending(
            self._channel.unary_stream(method, request_serializer, response_deserializer)
        )

    def stream_unary(
        self,
        method: str,
        request_serializer: Callable[[RequestT], bytes] | None = None,
        response_deserializer: Callable[[bytes], ResponseT] | None = None,
        _registered_method: bool | None = False,
    ) -> aio.StreamUnaryMultiCallable[RequestT, ResponseT]:
        """Makes what calls a method with many requests and one response."""
        return self._sending(
            self._channel.stream_unary(method, request_serializer, response_deserializer)
        )

    def stream_stream(
        self,
        method: str,
        request_serializer: Callable[[RequestT], bytes] | None = None,
        response_deserializer: Callable[[bytes], ResponseT] | None = None,
        _registered_method: bool | None = False,
    ) -> aio.StreamStreamMultiCallable[RequestT, ResponseT]:
        """Makes what calls a method with many requests and many responses."""
        return self._sending(
            self._channel.stream_stream(method, request_serializer, response_deserializer)
        )

    async def close(self, grace: float | None = None) -> None:
        """Closes the channel; calls in flight get ``grace`` seconds to end."""
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Gives the state of the connection."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Waits until the state is another one."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Waits until the service is connected."""
        await self._channel.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._channel.close()

    def _sending(self, calling: CallableT) -> CallableT:
        def call(
            *request: object,
            metadata: Iterable[tuple[str, str | bytes]] | None = None,
            **options: object,
        ) -> object:
            return calling(*request, metadata=(*(metadata or ()), *self._headers()), **options)

        return cast("CallableT", call)

    def _headers(self) -> Headers:
        if self._token is None:
            return outgoing_headers()
        return (("authorization", f"Bearer {self._token.current()}"), *outgoing_headers())
