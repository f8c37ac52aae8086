"""Reads requests inside the call, where an error becomes a status as any other does.

gRPC itself answers bytes that are no message of the method with UNKNOWN, and says nothing to the
interceptors; yet whoever sent them must change them.
"""

from collections.abc import AsyncIterator, Callable
from typing import cast

from google.protobuf.message import DecodeError

from services.core.errors import InvalidRequestError

Decode = Callable[[bytes], object]


class Requests:
    """The requests of a stream.

    Args:
        messages: Their bytes, as they arrive.
        decode: Reads one.
    """

    def __init__(self, messages: AsyncIterator[bytes], decode: Decode) -> None:
        self._messages = messages
        self._decode = decode

    def __aiter__(self) -> "Requests":
        return self

    async def __anext__(self) -> object:
        return read_request(await anext(self._messages), self._decode)


def read_request(message: object, decode: Decode) -> object:
    """Reads one request.

    Args:
        message: Its bytes.
        decode: Makes a message of them.

    Raises:
        InvalidRequestError: They are no message of the method.
    """
    try:
        return decode(cast("bytes", message))
    except DecodeError as error:
        raise InvalidRequestError(f"the request cannot be read: {error}") from error
