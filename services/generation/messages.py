"""Brings what other libraries say into the form of our own messages."""

MAX_MESSAGE_CHARS = 500


def one_line(message: object) -> str:
    """Writes a message, or an exception's, on one line of at most 500 characters.

    An exception that says nothing gives its type's name.
    """
    flat = " ".join(str(message).split())
    if not flat and isinstance(message, BaseException):
        flat = type(message).__name__
    return flat[:MAX_MESSAGE_CHARS]
