"""Redraws ExpArt-mini's artworks; `python -m deploy.expart_mini.draw` writes the pictures."""

import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from deploy.expart_mini.drawings import (
    af_klint,
    colourists,
    constructivists,
    de_stijl,
    kandinsky_circles,
    kandinsky_compositions,
    malevich,
)

IMAGE_DIR = Path(__file__).parent / "images"
"""Where the committed pictures lie, one `<slug>.png` per artwork."""

_DRAWINGS: dict[str, Callable[[], Image.Image]] = {
    "black-square": malevich.black_square,
    "black-circle": malevich.black_circle,
    "white-on-white": malevich.white_on_white,
    "airplane-flying": malevich.airplane_flying,
    "eight-red-rectangles": malevich.eight_red_rectangles,
    "tableau-i": de_stijl.tableau_i,
    "composition-ii": de_stijl.composition_ii,
    "rhythm-of-a-russian-dance": de_stijl.rhythm_of_a_russian_dance,
    "counter-composition-v": de_stijl.counter_composition_v,
    "beat-the-whites-with-the-red-wedge": constructivists.beat_the_whites_with_the_red_wedge,
    "proun-99": constructivists.proun_99,
    "squares-with-concentric-circles": kandinsky_circles.squares_with_concentric_circles,
    "several-circles": kandinsky_circles.several_circles,
    "circles-in-a-circle": kandinsky_circles.circles_in_a_circle,
    "composition-viii": kandinsky_compositions.composition_viii,
    "the-swan-no-17": af_klint.the_swan_no_17,
    "altarpiece-no-1": af_klint.altarpiece_no_1,
    "le-premier-disque": colourists.le_premier_disque,
    "green-stripe": constructivists.green_stripe,
    "senecio": colourists.senecio,
    "on-white-ii": kandinsky_compositions.on_white_ii,
    "vertical-horizontal-composition": colourists.vertical_horizontal_composition,
    "black-cross": malevich.black_cross,
    "red-square": malevich.red_square,
    "yellow-red-blue": kandinsky_compositions.yellow_red_blue,
    "castle-and-sun": colourists.castle_and_sun,
    "space-force-construction": constructivists.space_force_construction,
    "telephone-picture": constructivists.telephone_picture,
}

ARTWORK_SLUGS: tuple[str, ...] = tuple(_DRAWINGS)
"""Every artwork that can be drawn."""


def draw(slug: str) -> Image.Image:
    """Returns a fresh RGB picture of the artwork, its longer side 336 px.

    Raises:
        ValueError: no artwork has this slug.
    """
    if slug not in _DRAWINGS:
        raise ValueError(f"no artwork {slug!r}; known: {', '.join(ARTWORK_SLUGS)}")
    return _DRAWINGS[slug]()


def encode_png(image: Image.Image) -> bytes:
    """Returns the picture as PNG, with fixed settings so that equal pixels give equal bytes."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=False, compress_level=9)
    return buffer.getvalue()


def write_images(folder: Path) -> None:
    """Writes every artwork's picture into `folder`; a second run changes nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    for slug in ARTWORK_SLUGS:
        (folder / f"{slug}.png").write_bytes(encode_png(draw(slug)))


if __name__ == "__main__":
    write_images(IMAGE_DIR)
