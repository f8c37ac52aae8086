"""When a certificate expires, read without a library for certificates."""

import re
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from services.core.errors import UserInputError
from services.rpc.watched_files import WatchedFiles, read_file

_FIRST = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

# Tags of DER (ITU-T X.690) and the place of the validity in a certificate (RFC 5280, 4.1).
_UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x17, 0x18, 0xA0
_VALIDITY_AFTER_VERSION = 3
_LONG_LENGTH = 0x80
_FIRST_YEAR_OF_UTC_TIME = 1950


def watched_expiry(certificate: Path) -> Callable[[], float]:
    """Gives a function that says when the certificate in a file expires, in Unix time.

    It looks at the file again when it changes, as the server does; safe to call from any thread.

    Raises:
        UserInputError: The file cannot be read or holds no certificate.
    """

    def read() -> float:
        return expires_at(read_file(certificate, "tls_certificate_file"), certificate)

    return WatchedFiles([certificate], read).current


def expires_at(pem: bytes, path: Path) -> float:
    """Says when the first certificate of a PEM file expires, in Unix time.

    Raises:
        UserInputError: It holds no certificate.
    """
    found = _FIRST.search(pem.decode("ascii", errors="replace"))
    try:
        return _not_after(ssl.PEM_cert_to_DER_cert(found[0] if found else "")).timestamp()
    except (ValueError, IndexError, StopIteration) as error:
        raise UserInputError(f"tls_certificate_file: {path} holds no certificate in PEM") from error


def _not_after(der: bytes) -> datetime:
    _, certificate = next(_elements(der))
    _, signed = next(_elements(certificate))
    fields = list(_elements(signed))
    # The version is left out of certificates of the first version.
    has_version = fields[0][0] == _VERSION
    _, validity = fields[_VALIDITY_AFTER_VERSION + has_version]
    tag, text = list(_elements(validity))[1]
    return _time(tag, text.decode("ascii"))


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the tag and the content of each element that the data consists of."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & _LONG_LENGTH:
            size = length & ~_LONG_LENGTH
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data):
            raise ValueError("an element is cut off")
        yield tag, data[at : at + length]
        at += length


def _time(tag: int, text: str) -> datetime:
    if tag == _UTC_TIME:
        year = 1900 + int(text[:2])
        year += 100 if year < _FIRST_YEAR_OF_UTC_TIME else 0
        text = f"{year}{text[2:]}"
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
