"""Sends every picture once, and by its digest from then on."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from expart.common.v1 import content_pb2
from services.core.digests import digest_of
from services.core.errors import UserInputError
from services.rpc.generation_client.values import ImageSource, StoredImage

# The service forgets too; remembering more would only make it answer IMAGE_NOT_FOUND more often.
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture to be sent.

    Attributes:
        digest: ``sha256:`` and the hexadecimal SHA-256 of its file.
        data: The file; None where the service is said to hold it and nothing else is known.
    """

    digest: str
    data: bytes | None


def picture_of(source: ImageSource) -> Picture:
    """Reads a picture.

    Raises:
        UserInputError: The file cannot be read, or it is no source of a picture.
    """
    if isinstance(source, StoredImage):
        return Picture(source.digest, None)
    data = _read(source) if isinstance(source, Path) else source
    if not isinstance(data, bytes):
        # Not every caller has a type checker, and the name of a file is an easy mistake.
        raise UserInputError(
            "an image must be a pathlib.Path, bytes or a StoredImage, "
            f"not {type(data).__name__}; for a file give Path(name)"
        )
    return Picture(digest_of(data), data)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserInputError(f"cannot read the image {path}: {error.strerror}") from error


class SentPictures:
    """Which pictures the service was given, as far as this client knows. Safe to use in threads."""

    def __init__(self) -> None:
        self._digests: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def ways(self, picture: Picture | None) -> list[content_pb2.Image | None]:
        """Says how to give a picture, to be tried in order while the service does not hold it."""
        if picture is None:
            return [None]
        named = content_pb2.Image(digest=picture.digest)
        if picture.data is None:
            return [named]
        whole = content_pb2.Image(data=picture.data)
        with self._lock:
            return [named, whole] if picture.digest in self._digests else [whole]

    def note_taken(self, picture: Picture | None) -> None:
        """Notes that the service has taken a picture."""
        if picture is None:
            return
        with self._lock:
            self._digests[picture.digest] = None
            self._digests.move_to_end(picture.digest)
            while len(self._digests) > _REMEMBERED:
                self._digests.popitem(last=False)
