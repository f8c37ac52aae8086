"""Pictures from outside: what is decoded, how, and what is refused."""

import struct
import zlib
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from services.core.errors import ImageInvalidError, ImageTooLargeError
from services.generation.images import ImageLimits, decode_image

LIMITS = ImageLimits(max_bytes=2**20, max_pixels=10_000)
RED, WHITE = (255, 0, 0), (255, 255, 255)


def encode(image: Pillow.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def colour_at(data: bytes, x: int = 0, y: int = 0) -> tuple[int, ...]:
    image = decode_image(data, LIMITS)
    assert image.mode == "RGB"
    colour = image.getpixel((x, y))
    assert isinstance(colour, tuple)
    return tuple(int(channel) for channel in colour)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF"])
def test_lossless_formats_keep_their_colour(kind: str) -> None:
    assert colour_at(encode(Pillow.new("RGB", (8, 8), RED), kind)) == RED


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_formats_are_decoded(kind: str) -> None:
    red, green, blue = colour_at(encode(Pillow.new("RGB", (8, 8), RED), kind))
    assert red > 240
    assert green < 15
    assert blue < 15


def test_transparency_is_laid_over_white() -> None:
    assert colour_at(encode(Pillow.new("RGBA", (8, 8), (0, 0, 0, 0)), "PNG")) == WHITE


def test_transparency_of_a_palette_is_laid_over_white() -> None:
    image = Pillow.new("P", (8, 8))
    image.putpalette([0, 0, 255] * 256)
    assert colour_at(encode(image, "PNG", transparency=0)) == WHITE


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "I;16"), ("TIFF", "I;16"), ("TIFF", "I;16B")])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(kind: str, mode: str) -> None:
    # 32896 = 128 * 257, and 16-bit white is 255 * 257 = 65535.
    data = encode(Pillow.new(mode, (8, 8), 32896), kind)
    with Pillow.open(BytesIO(data)) as stored:
        assert stored.mode == mode
    assert colour_at(data) == (128, 128, 128)
    assert colour_at(encode(Pillow.new(mode, (8, 8), 65535), kind)) == WHITE


def test_cmyk_is_converted() -> None:
    # No cyan, full magenta and yellow, no black: red.
    assert colour_at(encode(Pillow.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")) == RED


def test_exif_orientation_turns_the_picture_upright() -> None:
    image = Pillow.new("RGB", (16, 8), RED)
    exif = Pillow.Exif()
    exif[0x0112] = 6  # stored lying on its side: rotate by 90 degrees to see it
    assert decode_image(encode(image, "JPEG", exif=exif), LIMITS).size == (8, 16)


def test_only_the_first_frame_of_an_animation_is_read() -> None:
    frames = [Pillow.new("RGB", (8, 8), RED), Pillow.new("RGB", (8, 8), "blue")]
    assert colour_at(encode(frames[0], "GIF", save_all=True, append_images=frames[1:])) == RED


def test_broken_metadata_does_not_spoil_whole_pixels() -> None:
    data = encode(Pillow.new("RGB", (8, 8), RED), "JPEG", exif=b"Exif\0\0no metadata at all")
    assert decode_image(data, LIMITS).size == (8, 8)


@pytest.mark.parametrize("data", [b"", b"\0", b"no picture", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_invalid(data: bytes) -> None:
    with pytest.raises(ImageInvalidError) as caught:
        decode_image(data, LIMITS)
    assert caught.value.violations[0].field == "image.data"


def test_formats_that_are_not_offered_are_invalid() -> None:
    with pytest.raises(ImageInvalidError, match="no JPEG, PNG, WebP, GIF or TIFF"):
        decode_image(encode(Pillow.new("RGB", (8, 8), RED), "BMP"), LIMITS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_truncated_file_is_invalid(kind: str) -> None:
    noise = Pillow.effect_noise((64, 64), 90).convert("RGB")
    data = encode(noise, kind)
    with pytest.raises(ImageInvalidError):
        decode_image(data[: len(data) // 2], LIMITS)


def test_floating_point_pixels_are_refused_rather_than_turned_black() -> None:
    with pytest.raises(ImageInvalidError, match="32-bit"):
        decode_image(encode(Pillow.new("F", (8, 8), 0.5), "TIFF"), LIMITS)


def test_more_bytes_than_allowed_are_refused_before_anything_is_parsed() -> None:
    with pytest.raises(ImageTooLargeError, match="101 bytes; at most 100") as caught:
        decode_image(bytes(101), ImageLimits(max_bytes=100, max_pixels=1))
    assert caught.value.metadata == {"bytes": "101", "max_bytes": "100"}


def test_more_pixels_than_allowed_are_refused() -> None:
    data = encode(Pillow.new("RGB", (101, 100)), "PNG")
    with pytest.raises(ImageTooLargeError, match="10100 pixels; at most 10000"):
        decode_image(data, LIMITS)


def test_exactly_as_many_pixels_as_allowed_are_taken() -> None:
    assert decode_image(encode(Pillow.new("RGB", (100, 100)), "PNG"), LIMITS).size == (100, 100)


@pytest.mark.parametrize("edge", [20_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_by_its_header(edge: int) -> None:
    with pytest.raises(ImageTooLargeError):
        decode_image(png_claiming(edge, edge), LIMITS)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 150))
def test_damaged_files_never_raise_anything_else(noise: bytes, position: int) -> None:
    data = bytearray(encode(Pillow.new("RGB", (16, 16), RED), "PNG"))
    data[position : position + len(noise)] = noise
    try:
        image = decode_image(bytes(data), LIMITS)
    except (ImageInvalidError, ImageTooLargeError):
        return
    assert image.mode == "RGB"


def png_claiming(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        body = name + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)
