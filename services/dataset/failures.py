"""Why a picture cannot be had."""

from enum import StrEnum


class Reason(StrEnum):
    """Stable names, as ``dead_links.jsonl`` has them."""

    BAD_URL = "BAD_URL"
    FORBIDDEN_ADDRESS = "FORBIDDEN_ADDRESS"
    HOST_UNKNOWN = "HOST_UNKNOWN"
    UNREACHABLE = "UNREACHABLE"
    TIMED_OUT = "TIMED_OUT"
    BROKEN_OFF = "BROKEN_OFF"
    THROTTLED = "THROTTLED"
    NOT_FOUND = "NOT_FOUND"
    REFUSED = "REFUSED"
    SERVER_ERROR = "SERVER_ERROR"
    HTTP_STATUS = "HTTP_STATUS"
    TOO_MANY_REDIRECTS = "TOO_MANY_REDIRECTS"
    TOO_LARGE = "TOO_LARGE"
    TOO_MANY_PIXELS = "TOO_MANY_PIXELS"
    NOT_AN_IMAGE = "NOT_AN_IMAGE"
    BROKEN_IMAGE = "BROKEN_IMAGE"
    TOO_COSTLY = "TOO_COSTLY"
    MISSING_FILE = "MISSING_FILE"


class PictureError(Exception):
    """A picture cannot be had.

    Args:
        reason: The kind of failure.
        detail: One line for people.
        again: Whether it is worth trying again later.
        wait_s: Seconds that the server asks to wait, if it does.
    """

    def __init__(
        self, reason: Reason, detail: str, *, again: bool = False, wait_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.again = again
        self.wait_s = wait_s


class HostGivenUpError(PictureError):
    """The picture was not asked for: its host was given up for this run. Another run may bring it.

    Args:
        reason: What the host was given up for.
        detail: One line for people.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail, again=True)
