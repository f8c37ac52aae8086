"""Pictures from outside: what is decoded, how, and what is refused."""

import struct
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from services.core.errors import ImageInvalidError, ImageTooLargeError
from services.generation.images import ImageLimits, check_size, decode_image, image_size
from tests.fuzz.hostile_images import (
    PNG_GREY,
    PNG_GREY_ALPHA,
    PNG_PALETTE,
    PNG_RGB,
    PNG_RGBA,
    encode,
    png,
    png_chunk,
    tiff,
)

LIMITS = ImageLimits(max_bytes=2**20, max_pixels=10_000)
RED, WHITE, BLACK = (255, 0, 0), (255, 255, 255), (0, 0, 0)


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


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted(kind: str) -> None:
    # No cyan, full magenta and yellow, no black: red. Pillow writes its JPEGs as Adobe does, with
    # inverted inks and a marker that says so.
    assert colour_at(encode(Pillow.new("CMYK", (8, 8), (0, 255, 255, 0)), kind)) == RED


# Bytes behind the PNG's filter byte, and what is to be seen on white.
PNG_PIXELS = [
    ("rgb-16-bit", 16, PNG_RGB, struct.pack(">3H", 65535, 32896, 0), b"", (255, 128, 0)),
    ("rgba-16-bit", 16, PNG_RGBA, struct.pack(">4H", 0, 0, 0, 0), b"", WHITE),
    ("grey-and-alpha-16-bit", 16, PNG_GREY_ALPHA, struct.pack(">2H", 0, 65535), b"", BLACK),
    # Black at 128 of 255 over white: 255 * (1 - 128 / 255) = 127.
    ("grey-and-alpha", 8, PNG_GREY_ALPHA, b"\x00\x80", b"", (127, 127, 127)),
    ("one-bit", 1, PNG_GREY, b"\x80", b"", WHITE),
    # 15 shades lie between 0 and 255: 8 * 17 = 136.
    ("four-bit", 4, PNG_GREY, b"\x80", b"", (136, 136, 136)),
    ("clear-grey", 8, PNG_GREY, b"\x09", png_chunk(b"tRNS", b"\0\x09"), WHITE),
    ("clear-colour", 8, PNG_RGB, b"\1\2\3", png_chunk(b"tRNS", b"\0\1\0\2\0\3"), WHITE),
    ("palette", 2, PNG_PALETTE, b"\x40", png_chunk(b"PLTE", b"\0\0\0\xff\0\0"), RED),
]


@pytest.mark.parametrize(
    ("depth", "kind", "pixel", "extra", "seen"),
    [pytest.param(*row[1:], id=row[0]) for row in PNG_PIXELS],
)
def test_every_kind_of_png_pixel_is_converted(
    depth: int, kind: int, pixel: bytes, extra: bytes, seen: tuple[int, ...]
) -> None:
    assert colour_at(png(1, 1, depth=depth, colour=kind, extra=extra, rows=b"\0" + pixel)) == seen


def test_sixteen_bit_colour_of_a_tiff_is_converted() -> None:
    # Nine entries of 12 bytes behind header and count, and four bytes that end the directory.
    depths = 8 + 2 + 9 * 12 + 4
    entries = [
        *((tag, 4, 1, 1) for tag in (256, 257, 278)),
        (258, 3, 3, depths),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, depths + 6),
        (277, 3, 1, 3),
        (279, 4, 1, 6),
    ]
    # A value of three shorts does not fit into its entry; what stands there is where they lie.
    data = tiff(entries, struct.pack("<6H", 16, 16, 16, 65535, 32896, 0))
    assert colour_at(data) == (255, 128, 0)


# Stored: red on the left, blue on the right; where red is seen, by the EXIF standard's table.
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(
    ("orientation", "red_at", "size"),
    [
        (1, (0, 0), (16, 8)),
        (2, (15, 0), (16, 8)),
        (3, (15, 7), (16, 8)),
        (4, (0, 7), (16, 8)),
        (5, (0, 0), (8, 16)),
        (6, (7, 0), (8, 16)),
        (7, (7, 15), (8, 16)),
        (8, (0, 15), (8, 16)),
        (9, (0, 0), (16, 8)),
    ],
)
def test_exif_orientation_turns_the_picture_upright(
    kind: str, orientation: int, red_at: tuple[int, int], size: tuple[int, int]
) -> None:
    image = Pillow.new("RGB", (16, 8), "blue")
    image.paste(RED, (0, 0, 8, 8))
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    data = encode(image, kind, exif=exif)
    assert decode_image(data, LIMITS).size == size
    red, _, blue = colour_at(data, *red_at)
    assert red > blue
    red, _, blue = colour_at(data, size[0] - 1 - red_at[0], size[1] - 1 - red_at[1])
    assert red < blue


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO"])
def test_only_the_first_frame_is_read(kind: str) -> None:
    frames = [Pillow.new("RGB", (8, 8), RED), Pillow.new("RGB", (8, 8), "blue")]
    red, _, blue = colour_at(encode(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert red > 250
    assert blue < 5


def test_an_address_of_a_picture_is_no_picture() -> None:
    for text in (b"https://example.org/mona-lisa.jpg", b"file:///etc/passwd", b"data:image/png;"):
        with pytest.raises(ImageInvalidError, match="no JPEG, PNG, WebP, GIF or TIFF"):
            decode_image(text, LIMITS)


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


def test_a_longer_shape_than_allowed_is_refused() -> None:
    limits = ImageLimits(max_aspect_ratio=2.5)
    check_size(5, 2, limits)
    check_size(2, 5, limits)
    with pytest.raises(ImageInvalidError, match=r"6 x 2 pixels; .* at most 2.5 times") as caught:
        decode_image(encode(Pillow.new("RGB", (6, 2)), "PNG"), limits)
    assert caught.value.metadata == {"width": "6", "height": "2", "max_aspect_ratio": "2.5"}


def test_the_size_is_read_without_decoding() -> None:
    # A header, and rows that are missing.
    assert image_size(png(100, 100, rows=b""), LIMITS) == (100, 100)


@pytest.mark.parametrize("edge", [20_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused_by_its_header(edge: int) -> None:
    with pytest.raises(ImageTooLargeError):
        decode_image(png(edge, edge, rows=bytes(1000)), LIMITS)


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
