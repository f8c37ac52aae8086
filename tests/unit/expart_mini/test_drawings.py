import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deploy.expart_mini.draw import ARTWORK_SLUGS, IMAGE_DIR, draw, encode_png, write_images

# Pictures are compared as 32 x 32 thumbnails, in 8-bit levels. Black and the cream grounds lie
# about 200 levels apart, so a floor of 20 means that a tenth of the surface is painted otherwise,
# as black is from cream. Half of the works share a cream ground; the closest pair is at about 32.
DISTINCT_FLOOR = 20.0

# Height over width in centimetres, from the museums' catalogues.
CATALOGUE_SIZES_CM = {
    "black-square": (79.5, 79.5),
    "airplane-flying": (58.1, 48.3),
    "rhythm-of-a-russian-dance": (135.9, 61.6),
    "composition-viii": (140.0, 201.0),
    "altarpiece-no-1": (237.5, 179.5),
    "yellow-red-blue": (128.0, 201.5),
    "telephone-picture": (47.5, 30.1),
}


def thumbnail(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize((32, 32), Image.Resampling.BOX), dtype=np.float64)


def test_there_are_28_artworks_with_distinct_slugs() -> None:
    # 20 for training, 2 for development, 6 unseen.
    assert len(ARTWORK_SLUGS) == len(set(ARTWORK_SLUGS)) == 28


@pytest.mark.parametrize("slug", ARTWORK_SLUGS)
def test_redrawing_gives_the_committed_bytes(slug: str) -> None:
    assert encode_png(draw(slug)) == (IMAGE_DIR / f"{slug}.png").read_bytes()


def test_the_image_folder_holds_the_artworks_and_nothing_else() -> None:
    assert {path.name for path in IMAGE_DIR.iterdir()} == {f"{slug}.png" for slug in ARTWORK_SLUGS}


@pytest.mark.parametrize("slug", ARTWORK_SLUGS)
def test_a_picture_is_rgb_and_336_px_on_its_longer_side(slug: str) -> None:
    picture = draw(slug)

    assert picture.mode == "RGB"
    assert max(picture.size) == 336


@pytest.mark.parametrize(("slug", "size_cm"), CATALOGUE_SIZES_CM.items())
def test_a_picture_has_the_proportions_of_the_work(slug: str, size_cm: tuple[float, float]) -> None:
    width, height = draw(slug).size

    # Rounding the shorter side to a whole pixel moves it by at most half a pixel.
    height_cm, width_cm = size_cm
    shorter = 336 * min(size_cm) / max(size_cm)
    assert min(width, height) == pytest.approx(shorter, abs=0.5)
    assert (height > width) == (height_cm > width_cm)


def test_every_two_pictures_differ_clearly() -> None:
    thumbnails = {slug: thumbnail(draw(slug)) for slug in ARTWORK_SLUGS}

    too_close = [
        (one, other)
        for one, other in itertools.combinations(ARTWORK_SLUGS, 2)
        if np.abs(thumbnails[one] - thumbnails[other]).mean() < DISTINCT_FLOOR
    ]

    assert too_close == []


def test_black_square_is_black_inside_and_cream_outside() -> None:
    picture = np.asarray(draw("black-square"), dtype=int)

    # The square fills about 69 % of either side, so 8 % in from the corner is still margin.
    assert picture[27, 27].min() > 200
    assert np.median(picture[100:240, 100:240]) < 50


def test_the_wedge_picture_is_red_where_the_wedge_enters_the_white_circle() -> None:
    picture = draw("beat-the-whites-with-the-red-wedge")
    width, height = picture.size

    red, green, blue = picture.getpixel((round(0.55 * width), round(0.38 * height)))
    assert red > 150
    assert green < 90
    assert blue < 90


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    write_images(tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write_images(tmp_path)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert len(first) == 28


def test_an_unknown_slug_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no artwork 'mona-lisa'; known: black-square"):
        draw("mona-lisa")
