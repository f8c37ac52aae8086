"""Sends a token with every call of a channel that is used without asyncio."""

from __future__ import annotations  # grpc's classes are generic for the type checker only

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import grpc

from services.rpc.watched_files import WatchedFiles

if TYPE_CHECKING:
    from grpc import _CallFuture, _CallIterator

RequestT = TypeVar("RequestT")
ResponseT = TypeVar("ResponseT")


@dataclass(frozen=True)
class _Details(grpc.ClientCallDetails):
    """A call as it is made, with one header more than it was asked for."""

    method: str
    timeout: float | None
    metadata: tuple[tuple[str, str | bytes], ...] | None
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class TokenInterceptor(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds ``authorization: Bearer …``; gRPC's own call credentials refuse to in plaintext.

    Args:
        token: The token, as its file holds it now.
    """

    def __init__(self, token: WatchedFiles[str]) -> None:
        self._token = token

    def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.ClientCallDetails, RequestT], _CallFuture[ResponseT]],
        client_call_details: grpc.ClientCallDetails,
        request: RequestT,
    ) -> _CallFuture[ResponseT]:
        """Makes a call with one request and one response."""
        return continuation(self._with_token(client_call_details), request)

    def intercept_unary_stream(
        self,
        continuation: Callable[[grpc.ClientCallDetails, RequestT], _CallIterator[ResponseT]],
        client_call_details: grpc.ClientCallDetails,
        request: RequestT,
    ) -> _CallIterator[ResponseT]:
        """Makes a call with one request and many responses."""
        return continuation(self._with_token(client_call_details), request)

    def intercept_stream_unary(
        self,
        continuation: Callable[
            [grpc.ClientCallDetails, Iterator[RequestT]], _CallFuture[ResponseT]
        ],
        client_call_details: grpc.ClientCallDetails,
        request_iterator: Iterator[RequestT],
    ) -> _CallFuture[ResponseT]:
        """Makes a call with many requests and one response."""
        return continuation(self._with_token(client_call_details), request_iterator)

    def intercept_stream_stream(
        self,
        continuation: Callable[
            [grpc.ClientCallDetails, Iterator[RequestT]], _CallIterator[ResponseT]
        ],
        client_call_details: grpc.ClientCallDetails,
        request_iterator: Iterator[RequestT],
    ) -> _CallIterator[ResponseT]:
        """Makes a call with many requests and many responses."""
        return continuation(self._with_token(client_call_details), request_iterator)

    def _with_token(self, details: grpc.ClientCallDetails) -> grpc.ClientCallDetails:
        header = ("authorization", f"Bearer {self._token.current()}")
        return _Details(
            details.method,
            details.timeout,
            (*(details.metadata or ()), header),
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )
