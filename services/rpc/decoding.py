"""Reads requests inside the call, where an error becomes a status as any other does.

gRPC itself answers bytes that are no message of the method with UNKNOWN, and says nothing to the
interceptors; yet whoever sent them must change them.
"""

from collections.abc import Callable

from google.protobuf.message import DecodeError

from services.core.errors import InvalidRequestError

Decode = Callable[[bytes], object]


def read_request(message: bytes, decode: Decode) -> object:
    """Reads one request.

    Args:
        message: Its bytes.
        decode: Makes a message of them.

    Raises:
        InvalidRequestError: They are no message of the method.
    """
    try:
        return decode(message)
    except DecodeError as error:
        raise InvalidRequestError(f"the request cannot be read: {error}") from error
