from itertools import pairwise

import pytest

from services.sweep.report.charts.marks import RADIUS, bond, style_of, whisker
from tests.unit.sweep.report.drawn_chart import Drawn

_STYLE = style_of(0)


def _whisker(
    low: float, middle: float, high: float, *, is_hollow: bool
) -> list[tuple[float, float]]:
    """The flat lines of a whisker at y = 10, without its caps."""
    xmlns = 'xmlns="http://www.w3.org/2000/svg"'
    drawn_whisker = whisker(_STYLE, (low, high), middle, 10.0, is_hollow=is_hollow)
    drawn = Drawn(f"<svg {xmlns}>{drawn_whisker}</svg>")
    return [(line.x1, line.x2) for line in drawn.lines("whisker") if line.y1 == line.y2]


def test_the_first_eight_contenders_differ_in_colour_and_in_shape() -> None:
    styles = [style_of(place) for place in range(8)]
    assert [style.colour for style in styles] == [f"c{number}" for number in range(1, 9)]
    assert len({style.shape for style in styles}) == 8


def test_sixty_four_contenders_have_a_look_of_their_own() -> None:
    assert len({(style_of(n).colour, style_of(n).shape) for n in range(64)}) == 64


def test_neighbours_differ_in_the_dashes_of_their_curves() -> None:
    dashes = [style_of(place).dash for place in range(8)]
    assert all(one != other for one, other in pairwise(dashes))


def test_a_whisker_leaves_the_room_of_a_hollow_mark_free() -> None:
    free = [(0.0, 50.0 - RADIUS), (50.0 + RADIUS, 90.0)]
    assert _whisker(0.0, 50.0, 90.0, is_hollow=True) == free
    assert _whisker(0.0, 50.0, 90.0, is_hollow=False) == [(0.0, 90.0)]


def test_a_whisker_inside_of_a_hollow_mark_is_not_drawn() -> None:
    assert _whisker(48.0, 50.0, 52.0, is_hollow=True) == []


@pytest.mark.parametrize("second", [50.0, 50.0 + 2 * RADIUS])
def test_marks_that_touch_are_not_joined(second: float) -> None:
    assert bond(_STYLE, 50.0, second, 10.0) == ""


def test_marks_apart_are_joined_from_edge_to_edge_in_either_order() -> None:
    assert bond(_STYLE, 50.0, 80.0, 10.0) == bond(_STYLE, 80.0, 50.0, 10.0)
    assert f'x1="{50 + RADIUS}"' in bond(_STYLE, 50.0, 80.0, 10.0)
