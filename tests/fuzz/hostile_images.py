"""Picture files that are made to cost their reader time or memory, and small honest ones."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO

from PIL import Image as Pillow

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_GREY, PNG_RGB, PNG_PALETTE, PNG_GREY_ALPHA, PNG_RGBA = 0, 2, 3, 4, 6
_PNG_CHANNELS = {PNG_GREY: 1, PNG_RGB: 3, PNG_PALETTE: 1, PNG_GREY_ALPHA: 2, PNG_RGBA: 4}

_TIFF_SHORT, _TIFF_LONG, _TIFF_UNDEFINED = 3, 4, 7
_TIFF_HEADER_BYTES = 8
_DEFLATE = 8


def encode(image: Pillow.Image, kind: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_chunk(name: bytes, content: bytes) -> bytes:
    body = name + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def png(
    width: int,
    height: int,
    *,
    depth: int = 8,
    colour: int = PNG_RGB,
    extra: bytes = b"",
    rows: bytes | None = None,
) -> bytes:
    """A PNG with the given rows (each behind its filter byte), or with nothing but zeros."""
    if rows is None:
        row = bytes(1 + (width * _PNG_CHANNELS[colour] * depth + 7) // 8)
        packer = zlib.compressobj(9)
        data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    else:
        data = zlib.compress(rows)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        [
            PNG_SIGNATURE,
            png_chunk(b"IHDR", header),
            extra,
            png_chunk(b"IDAT", data),
            png_chunk(b"IEND", b""),
        ]
    )


def png_with_texts(count: int) -> bytes:
    """Every text takes a kilobyte, and a megabyte once it is decompressed."""
    packed = zlib.compress(bytes(2**20 - 10), 9)
    texts = (png_chunk(b"zTXt", b"text-%d\0\0" % number + packed) for number in range(count))
    return png(8, 8, extra=b"".join(texts))


def png_with_profile(size: int) -> bytes:
    """A colour profile of so many bytes once it is decompressed."""
    return png(8, 8, extra=png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(size), 9)))


def png_with_chunks(count: int) -> bytes:
    return png(8, 8, extra=png_chunk(b"abCd", b"") * count)


def png_with_exif(tags: int, size: int) -> bytes:
    return png(8, 8, extra=png_chunk(b"eXIf", tiff_with_tags(tags, size)))


def png_with_more_rows_than_it_says(size: int) -> bytes:
    return png(8, 8, rows=bytes(size))


def jpeg_with_scans(edge: int, scans: int) -> bytes:
    """A progressive JPEG; each further scan has 10 bytes and visits every pixel again."""
    whole = encode(Pillow.new("L", (edge, edge)), "JPEG", progressive=True)
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x00\x10"
    return whole[:-2] + scan * scans + whole[-2:]


def jpeg_with_segments(segment: bytes, count: int) -> bytes:
    whole = encode(Pillow.new("RGB", (8, 8)), "JPEG")
    return whole[:2] + segment * count + whole[2:]


def gif_with_screen(width: int, height: int) -> bytes:
    """One pixel on a screen of any size."""
    whole = encode(Pillow.new("P", (1, 1)), "GIF")
    return whole[:6] + struct.pack("<HH", width, height) + whole[10:]


def webp_claiming(width: int, height: int) -> bytes:
    """A canvas of any size in 30 bytes, and no picture on it."""
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    chunk = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + canvas
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def tiff(entries: list[tuple[int, int, int, int]], data: bytes = b"") -> bytes:
    """A little-endian TIFF with one directory, then data. Entries: tag, type, count, value."""
    entries = sorted(entries)
    directory = b"".join(
        struct.pack("<HHI", tag, kind, count)
        + (struct.pack("<HH", value, 0) if kind == _TIFF_SHORT else struct.pack("<I", value))
        for tag, kind, count, value in entries
    )
    return b"".join(
        [
            b"II*\0" + struct.pack("<I", _TIFF_HEADER_BYTES),
            struct.pack("<H", len(entries)) + directory + bytes(4),
            data,
        ]
    )


def tiff_with_strips(width: int, height: int, strips: int) -> bytes:
    """Every strip is the same bytes of the file."""
    entries = 9
    offsets = _TIFF_HEADER_BYTES + 2 + 12 * entries + 4
    counts = offsets + 4 * strips
    packed = zlib.compress(bytes(width * height), 9)
    data = struct.pack("<I", counts + 4 * strips) * strips
    return tiff(
        [
            (256, _TIFF_LONG, 1, width),
            (257, _TIFF_LONG, 1, height),
            (258, _TIFF_SHORT, 1, 8),
            (259, _TIFF_SHORT, 1, _DEFLATE),
            (262, _TIFF_SHORT, 1, 1),
            (273, _TIFF_LONG, strips, offsets),
            (277, _TIFF_SHORT, 1, 1),
            (278, _TIFF_LONG, 1, max(1, height // strips)),
            (279, _TIFF_LONG, strips, counts),
        ],
        data + struct.pack("<I", len(packed)) * strips + packed,
    )


def tiff_with_tags(tags: int, size: int) -> bytes:
    """Every tag claims the same bytes of the file for itself."""
    basic = [
        (256, _TIFF_LONG, 1, 8),
        (257, _TIFF_LONG, 1, 8),
        (258, _TIFF_SHORT, 1, 8),
        (259, _TIFF_SHORT, 1, 1),
        (262, _TIFF_SHORT, 1, 1),
        (273, _TIFF_LONG, 1, 8),
        (277, _TIFF_SHORT, 1, 1),
        (278, _TIFF_LONG, 1, 8),
        (279, _TIFF_LONG, 1, 64),
    ]
    claims = [(1000 + number, _TIFF_UNDEFINED, size, 8) for number in range(tags)]
    return tiff(basic + claims, bytes(size))


_EXIF = b"\xff\xe1\xff\xf0Exif\0\0" + bytes(0xFFF0 - 8)

# Sizes within the service's limits on bytes and pixels, so that nothing stops them at the door.
HOSTILE: dict[str, Callable[[], bytes]] = {
    "png-of-transparent-pixels": lambda: png(7071, 7071, colour=PNG_RGBA),
    "png-of-16-bit-pixels": lambda: png(7071, 7071, colour=PNG_RGBA, depth=16),
    "png-of-grey-and-alpha": lambda: png(7071, 7071, colour=PNG_GREY_ALPHA),
    "png-texts-at-pillows-bound": lambda: png_with_texts(60),
    "png-texts-beyond": lambda: png_with_texts(1_000),
    "png-profile": lambda: png_with_profile(2**30),
    "png-more-rows-than-it-says": lambda: png_with_more_rows_than_it_says(2**30),
    "png-many-chunks": lambda: png_with_chunks(1_500_000),
    "png-exif": lambda: png_with_exif(60_000, 2**20),
    "jpeg-progressive-cmyk": lambda: encode(
        Pillow.new("CMYK", (7000, 7000)), "JPEG", progressive=True
    ),
    "jpeg-scans": lambda: jpeg_with_scans(7000, 100_000),
    "jpeg-segments": lambda: jpeg_with_segments(b"\xff\xe3\x00\x02", 4_000_000),
    "jpeg-exif": lambda: jpeg_with_segments(_EXIF, 300),
    "gif-screen-of-4-gigapixels": lambda: gif_with_screen(65535, 65535),
    "gif-screen": lambda: gif_with_screen(7071, 7071),
    "webp-of-transparent-pixels": lambda: encode(
        Pillow.new("RGBA", (7000, 7000)), "WEBP", lossless=True
    ),
    "webp-canvas-of-4-gigapixels": lambda: webp_claiming(2**16, 2**16 - 1),
    "tiff-overlapping-strips": lambda: tiff_with_strips(1000, 50_000, 50_000),
    "tiff-many-strips": lambda: tiff_with_strips(8, 8, 2_000_000),
    "tiff-one-strip": lambda: tiff_with_strips(7000, 7000, 1),
    "tiff-tags": lambda: tiff_with_tags(60_000, 18 * 2**20),
}


def honest_images() -> dict[str, bytes]:
    """A small file of every format, and of the kinds that take different ways to decode."""
    photo = Pillow.effect_mandelbrot((48, 32), (-2, -1, 1, 1), 50).convert("RGB")
    clear = photo.copy()
    clear.putalpha(Pillow.linear_gradient("L").resize(photo.size))
    other = photo.rotate(180)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    return {
        "jpeg": encode(photo, "JPEG", exif=exif),
        "jpeg-progressive": encode(photo, "JPEG", progressive=True),
        "jpeg-cmyk": encode(photo.convert("CMYK"), "JPEG"),
        "mpo": encode(photo, "MPO", save_all=True, append_images=[other]),
        "png": encode(photo, "PNG", exif=exif),
        "png-alpha": encode(clear, "PNG"),
        "png-palette": encode(photo.quantize(16), "PNG", transparency=0),
        "png-16-bit": encode(photo.convert("L").convert("I;16"), "PNG"),
        "png-animated": encode(photo, "PNG", save_all=True, append_images=[other]),
        "webp": encode(photo, "WEBP", exif=exif),
        "webp-lossless": encode(clear, "WEBP", lossless=True),
        "webp-animated": encode(photo, "WEBP", save_all=True, append_images=[other]),
        "gif": encode(photo, "GIF"),
        "gif-animated": encode(photo, "GIF", save_all=True, append_images=[other]),
        "tiff": encode(photo, "TIFF"),
        "tiff-deflate": encode(photo, "TIFF", compression="tiff_adobe_deflate", exif=exif),
        "tiff-lzw": encode(photo, "TIFF", compression="tiff_lzw"),
        "tiff-jpeg": encode(photo, "TIFF", compression="jpeg"),
        "tiff-fax": encode(photo.convert("1"), "TIFF", compression="group4"),
    }
