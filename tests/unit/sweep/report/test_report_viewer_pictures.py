"""Thumbnails: what they look like, and what becomes of pictures that make none."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import ExifTags
from PIL import Image as Pillow

from services.benchmark.images import PictureStore
from services.core.digests import digest_of
from services.sweep.report.viewer import thumbnail_worker
from services.sweep.report.viewer.pictures import PictureCount, ShownPicture, thumbnails
from services.sweep.report.viewer.thumbnail_worker import thumbnail

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image: Pillow.Image, kind: str = "PNG", **options: object) -> bytes:
    made = BytesIO()
    image.save(made, kind, **options)
    return made.getvalue()


def opened(webp: bytes) -> Pillow.Image:
    image = Pillow.open(BytesIO(webp))
    assert image.format == "WEBP"
    return image.convert("RGB")


def is_near(pixel: object, colour: tuple[int, int, int]) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(one - other) < 40 for one, other in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF"])
def test_the_longer_edge_is_480_pixels_and_the_shape_stays(kind: str) -> None:
    assert opened(thumbnail(encoded(Pillow.new("RGB", (1200, 600), RED), kind))).size == (480, 240)
    assert opened(thumbnail(encoded(Pillow.new("RGB", (500, 2000), RED), kind))).size == (120, 480)


def test_a_small_picture_keeps_its_size() -> None:
    assert opened(thumbnail(encoded(Pillow.new("RGB", (32, 20), RED)))).size == (32, 20)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_is_turned_upright(kind: str) -> None:
    # Orientation 6: the first row is the right-hand side, so that it is to be turned clockwise.
    lying = Pillow.new("RGB", (900, 600), WHITE)
    lying.paste(RED, (0, 0, 900, 100))
    exif = Pillow.Exif()
    exif[ExifTags.Base.Orientation] = 6
    upright = opened(thumbnail(encoded(lying, kind, exif=exif)))
    assert upright.size == (320, 480)
    assert is_near(upright.getpixel((315, 240)), RED)
    assert is_near(upright.getpixel((5, 240)), WHITE)
    assert not upright.getexif()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white(mode: str) -> None:
    clear = Pillow.new(mode, (10, 10), 0)
    assert is_near(opened(thumbnail(encoded(clear))).getpixel((5, 5)), WHITE)


def test_palettes_and_sixteen_bits_keep_their_shades() -> None:
    palette = Pillow.new("RGB", (10, 10), RED).quantize(4)
    assert is_near(opened(thumbnail(encoded(palette))).getpixel((5, 5)), RED)
    # Half of 65,535 is grey.
    deep = Pillow.new("I;16", (10, 10), 32_768)
    assert is_near(opened(thumbnail(encoded(deep))).getpixel((5, 5)), (128, 128, 128))


def test_too_many_pixels_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnail_worker, "_MAX_PIXELS", 99)
    with pytest.raises(ValueError, match="too many pixels"):
        thumbnail(encoded(Pillow.new("RGB", (10, 10), RED)))


def made(
    folder: Path, pictures: Iterable[ShownPicture]
) -> tuple[list[tuple[str, bytes]], PictureCount]:
    count = PictureCount()
    return list(thumbnails(pictures, PictureStore(folder), count)), count


def test_pictures_that_make_no_thumbnail_are_left_out_and_counted(tmp_path: Path) -> None:
    good = encoded(Pillow.new("RGB", (700, 70), RED))
    broken = good[: len(good) // 2]
    for name, data in {"good": good, "broken": broken, "other": good + b" "}.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    pictures = [
        ShownPicture("broken.png", digest_of(broken)),
        ShownPicture("good.png", digest_of(good)),
        # Not the one that was asked about, though it could be decoded.
        ShownPicture("other.png", digest_of(b"what it was")),
        ShownPicture("gone.png", digest_of(b"")),
        ShownPicture("http://localhost/a.png", "missing:http://localhost/a.png"),
    ]
    found, count = made(tmp_path, pictures)
    [(digest, webp)] = found
    assert digest == digest_of(good)
    assert opened(webp).size == (480, 48)
    assert count.made == 1
    assert count.note == (
        "4 of 5 pictures are left out: 1 broken or too large, 1 changed since they were asked "
        "about, 2 missing."
    )


def test_thumbnails_come_in_the_order_of_the_pictures(tmp_path: Path) -> None:
    pictures = []
    for number in range(70):
        # Later ones are smaller and done sooner.
        data = encoded(Pillow.new("RGB", (200 - number, 10), RED))
        (tmp_path / f"{number}.png").write_bytes(data)
        pictures.append(ShownPicture(f"{number}.png", digest_of(data)))
    found, count = made(tmp_path, pictures)
    assert [digest for digest, _ in found] == [picture.digest for picture in pictures]
    assert (count.made, count.note) == (70, "")


def test_without_pictures_no_process_is_started(tmp_path: Path) -> None:
    found, count = made(tmp_path, [])
    assert (found, count.note) == ([], "")
