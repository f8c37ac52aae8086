"""Looks into a downloaded file: is it a whole picture, and one that the services will take?"""

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from services.core.digests import PREFIX
from services.dataset.failures import PictureError, Reason

# What the generation service decodes, and how files of it are named.
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "TIFF": ".tiff"}


@dataclass(frozen=True, slots=True)
class Picture:
    """What is known of a whole picture.

    Attributes:
        digest: ``sha256:…`` of the file.
        byte_count: The file's size.
        width: In pixels.
        height: In pixels.
        suffix: Of its format, with the dot.
    """

    digest: str
    byte_count: int
    width: int
    height: int
    suffix: str

    @property
    def file(self) -> str:
        """Where a prepared folder keeps it."""
        name = self.digest.removeprefix(PREFIX)
        return f"images/{name[:2]}/{name}{self.suffix}"


def check_picture(file: Path, *, max_bytes: int, max_pixels: int) -> Picture:
    """Decodes a picture once, unless its header says that it is too large.

    Raises:
        PictureError: It is too large, broken, or no picture that the services take.
        MemoryError: There was not enough memory.
        OSError: The file cannot be read.
    """
    byte_count = file.stat().st_size
    if byte_count > max_bytes:
        raise PictureError(Reason.TOO_LARGE, f"it has {byte_count} bytes, above {max_bytes}")
    try:
        with warnings.catch_warnings(), Pillow.open(file, formats=tuple(_SUFFIXES)) as image:
            width, height = image.size
            _check_pixels(width, height, max_pixels)
            suffix = _SUFFIXES[str(image.format)]
            image.draft("RGB", (1, 1))  # a JPEG is checked as well when it is decoded small
            image.load()
    except (PictureError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        detail = "it is no JPEG, PNG, WebP, GIF or TIFF"
        raise PictureError(Reason.NOT_AN_IMAGE, detail) from error
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise PictureError(Reason.TOO_MANY_PIXELS, "it has too many pixels") from error
    except Exception as error:  # decoders raise nearly anything on broken bytes
        raise PictureError(Reason.BROKEN_IMAGE, "it is broken and cannot be decoded") from error
    with file.open("rb") as stream:
        digest = PREFIX + hashlib.file_digest(stream, "sha256").hexdigest()
    return Picture(digest, byte_count, width, height, suffix)


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        detail = f"it has {width} x {height} pixels, above {max_pixels}"
        raise PictureError(Reason.TOO_MANY_PIXELS, detail)
