"""Checks pictures that came from outside, and decodes them the way the models see them.

Decoders are made to read files, not attacks: a few hundred kilobytes can keep one busy for hours or
have it take gigabytes. So strangers' files are decoded in :mod:`services.generation.image_worker`
first, and only those that come through are decoded anywhere else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as Pillow

from services.core.errors import FieldViolation, ImageInvalidError, ImageTooLargeError

SUPPORTED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF")
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
# 32-bit integers and floats have no agreed white; guessing one could turn a picture black.
_UNSCALED_MODES = ("I", "F")
# The EXIF tag Orientation, and what its other values ask for.
_UPRIGHT = 1
_TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """The largest picture that is taken; None is no limit.

    Attributes:
        max_bytes: Of the encoded file.
        max_pixels: Width times height once decoded.
        max_aspect_ratio: Longer edge by shorter edge, at least 1.
    """

    max_bytes: int | None = None
    max_pixels: int | None = None
    max_aspect_ratio: float | None = None


def check_bytes(data: bytes, max_bytes: int | None) -> None:
    """Refuses an encoded picture with more bytes than allowed, without looking into it.

    Raises:
        ImageTooLargeError: It has more.
    """
    if max_bytes is not None and len(data) > max_bytes:
        raise _too_large("bytes", len(data), max_bytes)


def check_size(width: int, height: int, limits: ImageLimits) -> None:
    """Refuses a picture with more pixels, or a longer shape, than allowed.

    Raises:
        ImageTooLargeError: It has too many pixels.
        ImageInvalidError: One edge is too many times the other.
    """
    if limits.max_pixels is not None and width * height > limits.max_pixels:
        raise _too_large("pixels", width * height, limits.max_pixels)
    most = limits.max_aspect_ratio
    if most is not None and max(width, height) > most * min(width, height):
        message = (
            f"the image has {width} x {height} pixels; its longer edge may be at most {most:g} "
            "times the shorter one"
        )
        violations = (FieldViolation("image.data", message),)
        raise ImageInvalidError(
            message,
            violations=violations,
            width=str(width),
            height=str(height),
            max_aspect_ratio=f"{most:g}",
        )


def decode_image(data: bytes, limits: ImageLimits) -> Pillow.Image:
    """Decodes a picture to upright 8-bit RGB.

    GIF, WebP and TIFF give their first frame. EXIF orientation is applied, transparency is laid
    over white, CMYK, palette, grey and 16-bit pictures are converted. Colour profiles are left
    alone, as the models' own preprocessing leaves them.

    Raises:
        ImageTooLargeError: It exceeds a limit; nothing was decoded.
        ImageInvalidError: It is broken, too long in shape, or no JPEG, PNG, WebP, GIF or TIFF.
        MemoryError: There was not enough memory.
    """
    with _opened(data, limits) as image:
        image.load()
        return _to_rgb(image)


def image_size(data: bytes, limits: ImageLimits) -> tuple[int, int]:
    """Reads a picture's width and height from its header, before it is turned upright.

    Raises:
        ImageTooLargeError: It exceeds a limit.
        ImageInvalidError: Its header is broken or unknown, or it is too long in shape.
        MemoryError: There was not enough memory.
    """
    with _opened(data, limits) as image:
        return image.size


@contextmanager
def _opened(data: bytes, limits: ImageLimits) -> Iterator[Pillow.Image]:
    """Reads a picture's header; what is raised while it is open becomes one of our errors."""
    check_bytes(data, limits.max_bytes)
    try:
        with Pillow.open(BytesIO(data), formats=SUPPORTED_FORMATS) as image:
            check_size(image.width, image.height, limits)
            yield image
    except UnidentifiedImageError as error:
        raise invalid_image("the image is no JPEG, PNG, WebP, GIF or TIFF") from error
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise _too_many_pixels(limits) from error
    except (ImageInvalidError, ImageTooLargeError, MemoryError):
        raise
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        raise invalid_image("the image is broken and cannot be decoded") from error


def invalid_image(message: str) -> ImageInvalidError:
    """Makes the error of a picture that cannot be decoded."""
    return ImageInvalidError(message, violations=(FieldViolation("image.data", message),))


def _to_rgb(image: Pillow.Image) -> Pillow.Image:
    """Converts a loaded picture, holding no more than two of it at a time."""
    if image.mode in _UNSCALED_MODES:
        raise invalid_image("the image has 32-bit pixels; 8 and 16 bits a channel are accepted")
    turn = _TURNS.get(_orientation(image))
    if image.mode in _SIXTEEN_BIT_MODES:
        image = _eight_bit_grey(image)
    if image.has_transparency_data:
        layered = image if image.mode == "RGBA" else image.convert("RGBA")
        rgb = Pillow.new("RGB", layered.size, "white")
        rgb.paste(layered, mask=layered)
    else:
        rgb = image.convert("RGB")
    return rgb if turn is None else rgb.transpose(turn)


def _orientation(image: Pillow.Image) -> int:
    """Reads how the picture is to be turned; Pillow turns a TIFF by itself."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - broken metadata does not spoil whole pixels
        return _UPRIGHT


def _eight_bit_grey(image: Pillow.Image) -> Pillow.Image:
    """Scales 16-bit grey to 8 bits.

    Pillow's own conversion to L clips at 255 and turns such pictures white; by way of I it reads
    either order of bytes. A shade declared transparent (rare) is taken as it is: 256 other shades
    become the same 8-bit one.
    """
    grey = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    grey.info.pop("transparency", None)
    return grey


def _too_large(unit: str, value: int, limit: int) -> ImageTooLargeError:
    message = f"the image has {value} {unit}; at most {limit} are accepted"
    return ImageTooLargeError(
        message,
        violations=(FieldViolation("image.data", message),),
        **{unit: str(value), f"max_{unit}": str(limit)},
    )


def _too_many_pixels(limits: ImageLimits) -> ImageTooLargeError:
    """Pillow itself refused; it does not say how many pixels there are."""
    # Pillow's bound is twice this; settings allow no larger limit.
    most = limits.max_pixels or Pillow.MAX_IMAGE_PIXELS
    message = f"the image has too many pixels; at most {most} are accepted"
    return ImageTooLargeError(
        message, violations=(FieldViolation("image.data", message),), max_pixels=str(most)
    )
