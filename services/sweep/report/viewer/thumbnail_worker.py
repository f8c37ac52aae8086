"""Makes thumbnails of strangers' pictures in a sandboxed process, which a hostile one may cost."""

import json
from io import BytesIO
from pathlib import Path

from PIL import Image as Pillow
from PIL import ImageOps

from services.core.digests import digest_of
from services.core.sandbox.inside import allow_computation, serve
from services.core.sandbox.picture_budgets import computation_budget

MADE, BROKEN, CHANGED = b"made", b"broken", b"changed"
"""What the answer to a request begins with; the thumbnail follows the first."""

EDGE_PX = 480
"""Longer edge of a thumbnail, unless the picture itself is smaller."""

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF")
# Those that can be made smaller as they are; what has a palette, or 16 bits, is converted first.
_SCALABLE_MODES = frozenset(("RGB", "RGBA", "L", "LA", "CMYK", "YCbCr"))
_SIXTEEN_BIT = "I;16"
# Of WebP. Better packing would make thumbnails a third smaller and take twice as long.
_QUALITY, _METHOD = 75, 1

_MAX_BYTES = 128 * 2**20
# Pillow's own bound, beyond which it warns of a decompression bomb.
_MAX_PIXELS = 89_478_485
# Enough for most pictures of so many pixels; with both processes a report stays below 2 GB.
_MEMORY = 640 * 2**20


def request_for(file: str, digest: str) -> bytes:
    """Asks for the thumbnail of a file whose bytes are to have this digest."""
    return json.dumps([file, digest]).encode()


def thumbnail(data: bytes) -> bytes:
    """Makes a picture small: upright, on white, its longer edge 480 pixels at most, as WebP.

    GIF, WebP and TIFF give their first frame.

    Raises:
        ValueError: It has too many pixels.
        Exception: It is broken; decoders raise nearly anything.
    """
    with Pillow.open(BytesIO(data), formats=_FORMATS) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise ValueError("too many pixels")
        # A JPEG is decoded to no more than twice what is wanted, which is quicker.
        edge = max(image.size)
        image.draft(None, (image.width * EDGE_PX // edge, image.height * EDGE_PX // edge))
        image.load()
        small = image if image.mode in _SCALABLE_MODES else _scalable(image)
        small.thumbnail((EDGE_PX, EDGE_PX), Pillow.Resampling.BILINEAR, reducing_gap=2.0)
        made = BytesIO()
        upright = ImageOps.exif_transpose(small)
        _on_white(upright).save(
            made, "WEBP", quality=_QUALITY, method=_METHOD, exif=b"", icc_profile=b""
        )
        return made.getvalue()


def main() -> None:
    """Makes thumbnails until standard input ends."""
    Pillow.init()  # before memory is limited by what there is now
    serve(_answer, _MEMORY)


def _answer(request: bytes) -> bytes:
    file, digest = json.loads(request)
    allow_computation(computation_budget(_MAX_PIXELS))
    try:
        return _made(Path(file), digest)
    except Exception:  # noqa: BLE001 - decoders raise nearly anything on hostile bytes
        return BROKEN
    finally:
        allow_computation(0)


def _made(file: Path, digest: str) -> bytes:
    if file.stat().st_size > _MAX_BYTES:
        return BROKEN
    data = file.read_bytes()
    return MADE + thumbnail(data) if digest_of(data) == digest else CHANGED


def _scalable(image: Pillow.Image) -> Pillow.Image:
    if image.mode.startswith(_SIXTEEN_BIT):
        # Pillow's own conversion clips at 255 and turns such pictures white.
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _on_white(image: Pillow.Image) -> Pillow.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layered = image.convert("RGBA")
    rgb = Pillow.new("RGB", layered.size, "white")
    rgb.paste(layered, mask=layered)
    return rgb
