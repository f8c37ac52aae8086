"""Checks pictures that came from outside, and decodes them the way the models see them."""

from dataclasses import dataclass
from io import BytesIO

from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from services.core.errors import FieldViolation, ImageInvalidError, ImageTooLargeError

SUPPORTED_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF")
_SIXTEEN_BIT_MODES = ("I;16", "I;16L", "I;16B", "I;16N")
# 32-bit integers and floats have no agreed white; guessing one could turn a picture black.
_UNSCALED_MODES = ("I", "F")


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """The largest picture that is taken: encoded bytes, and pixels once decoded."""

    max_bytes: int
    max_pixels: int


def check_bytes(data: bytes, max_bytes: int) -> None:
    """Refuses an encoded picture with more bytes than allowed, without looking into it.

    Raises:
        ImageTooLargeError: It has more.
    """
    if len(data) > max_bytes:
        raise _too_large("bytes", len(data), max_bytes)


def decode_image(data: bytes, limits: ImageLimits) -> Pillow.Image:
    """Decodes a picture to upright 8-bit RGB.

    GIF and TIFF give their first frame. EXIF orientation is applied, transparency is laid over
    white, CMYK, palette, grey and 16-bit pictures are converted.

    Raises:
        ImageTooLargeError: It exceeds a limit; nothing was decoded.
        ImageInvalidError: It is broken, or is no JPEG, PNG, WebP, GIF or TIFF.
    """
    check_bytes(data, limits.max_bytes)
    try:
        with Pillow.open(BytesIO(data), formats=SUPPORTED_FORMATS) as image:
            _check_pixels(image, limits)
            image.load()
            return _to_rgb(image)
    except UnidentifiedImageError as error:
        raise _invalid("the image is no JPEG, PNG, WebP, GIF or TIFF") from error
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise _invalid_size(limits) from error
    except (ImageInvalidError, ImageTooLargeError, MemoryError):
        raise
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        raise _invalid("the image is broken and cannot be decoded") from error


def _check_pixels(image: Pillow.Image, limits: ImageLimits) -> None:
    pixels = image.width * image.height
    if pixels > limits.max_pixels:
        raise _too_large("pixels", pixels, limits.max_pixels)


def _to_rgb(image: Pillow.Image) -> Pillow.Image:
    if image.mode in _UNSCALED_MODES:
        raise _invalid("the image has 32-bit pixels; 8 and 16 bits a channel are accepted")
    upright = ImageOps.exif_transpose(image)
    if upright.mode in _SIXTEEN_BIT_MODES:
        # Pillow's own conversion to L clips at 255 and turns 16-bit pictures white; by way of I it
        # reads either order of bytes.
        upright = upright.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    if upright.has_transparency_data:
        layered = upright.convert("RGBA")
        white = Pillow.new("RGBA", layered.size, "white")
        return Pillow.alpha_composite(white, layered).convert("RGB")
    return upright.convert("RGB")


def _too_large(unit: str, value: int, limit: int) -> ImageTooLargeError:
    message = f"the image has {value} {unit}; at most {limit} are accepted"
    return ImageTooLargeError(
        message,
        violations=(FieldViolation("image.data", message),),
        **{unit: str(value), f"max_{unit}": str(limit)},
    )


def _invalid_size(limits: ImageLimits) -> ImageTooLargeError:
    """Pillow itself refused; it does not say how many pixels there are."""
    message = f"the image has too many pixels; at most {limits.max_pixels} are accepted"
    return ImageTooLargeError(
        message,
        violations=(FieldViolation("image.data", message),),
        max_pixels=str(limits.max_pixels),
    )


def _invalid(message: str) -> ImageInvalidError:
    return ImageInvalidError(message, violations=(FieldViolation("image.data", message),))
