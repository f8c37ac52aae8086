"""What the libraries of object stores and Delta tables say, in words that tell what to do."""

import errno
import re

_MAX_CHARS = 300
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_DEBUGGING_DETAILS = "Debug source:"
_ENDPOINT = re.compile(r"\b(?:GET|PUT|POST|DELETE|HEAD) (?P<endpoint>(?P<scheme>https?)://[^/\s]+)")
# S3 and the stores that speak its language say so in XML, which may be cut off.
_S3_ERROR = re.compile(r"<Code>(?P<code>\w+)</Code>(?:\s*<Message>(?P<message>[^<]*))?")
_REFUSED = re.compile(r"status code: 40[13]\b")
_NO_BUCKET = ("NoSuchBucket", "bucket does not exist", "ContainerNotFound")
_UNREACHABLE = ("error sending request", "operation timed out", "deadline has elapsed")
# How the libraries pass on what the system said to them.
_SYSTEM_ERROR = re.compile(r"\(os error (?P<number>\d+)\)")
_DISK_FAULTS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.ESTALE,
    errno.ETIMEDOUT,
}
# Where clouds keep the credentials of their own machines; asked when none are given otherwise.
_CLOUD_CREDENTIALS = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")


def said_by(error: Exception) -> str:
    """What went wrong, in one line: in our words where the cause is known, else in theirs."""
    text = " ".join(_COLOURS.sub("", str(error)).split(_DEBUGGING_DETAILS)[0].split())
    asked = _ENDPOINT.search(text)
    if lacks_bucket(error):
        return "there is no such bucket"
    if any(place in text for place in _CLOUD_CREDENTIALS):
        return (
            "the object store's credentials are not in the environment (for s3:// "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), and this machine has none of its own"
        )
    if asked and asked["scheme"] == "http" and "builder error" in text:
        return (
            f"the object store's endpoint {asked['endpoint']} has no TLS: set AWS_ALLOW_HTTP=true "
            "if that is meant"
        )
    if asked and any(sign in text for sign in _UNREACHABLE):
        return f"the object store at {asked['endpoint']} cannot be reached: check the endpoint"
    if is_refusal(error):
        return (
            f"the object store refuses these credentials{_reason(text)}: check them, and what "
            "they may do with this bucket"
        )
    return text[:_MAX_CHARS]


def is_disk_fault(error: Exception) -> bool:
    """Whether a disk is full or faulty, and would take the same another time."""
    told = _SYSTEM_ERROR.search(str(error))
    number = int(told["number"]) if told else getattr(error, "errno", None)
    return number in _DISK_FAULTS


def lacks_bucket(error: Exception) -> bool:
    """Whether the bucket or container does not exist."""
    text = str(error)
    return any(mark in text for mark in _NO_BUCKET)


def is_refusal(error: Exception) -> bool:
    """Whether the store knows who asks, or does not, and says no."""
    return _REFUSED.search(str(error)) is not None


def _reason(text: str) -> str:
    found = _S3_ERROR.search(text)
    if found is None:
        return ""
    said = ": ".join(filter(None, (found["code"], (found["message"] or "").strip().rstrip("."))))
    return f" ({said[:_MAX_CHARS]})"
