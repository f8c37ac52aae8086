"""Scales: from a value to a place in a picture, and the round values that an axis is marked at."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

_PADDING = 0.04
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_DECADE_STEPS = (1.0, 2.0, 5.0)
# Below this share of their size two values are the same but for rounding.
_SAME = 1e-9
# From this ratio on a linear scale would press most of the values against its start.
_SPREAD_OF_A_LOG_SCALE = 40.0
_PIXELS_PER_TICK = 44.0


class Tick(NamedTuple):
    """A marked value of an axis, and what stands beside it."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear or logarithmic scale.

    Attributes:
        low: The value at ``start``.
        high: The value at ``end``; greater than ``low``.
        start: Where the axis starts.
        end: Where it ends; before ``start`` on an axis that rises up a picture.
        is_logarithmic: Whether equal ratios, rather than differences, take equal room.
    """

    low: float
    high: float
    start: float
    end: float
    is_logarithmic: bool = False

    def at(self, value: float) -> float:
        """The place of a value; one outside of the scale is put at its nearer end."""
        value = min(max(value, self.low), self.high)
        share = (self._unfold(value) - self._unfold(self.low)) / (
            self._unfold(self.high) - self._unfold(self.low)
        )
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int | None = None) -> tuple[Tick, ...]:
        """Round values on the scale, about one every 44 units, at most ``most``."""
        wanted = max(2, round(abs(self.end - self.start) / _PIXELS_PER_TICK))
        wanted = wanted if most is None else min(wanted, most)
        return self._decades(wanted) if self.is_logarithmic else self._multiples(wanted)

    def _unfold(self, value: float) -> float:
        return math.log(value) if self.is_logarithmic else value

    def _multiples(self, wanted: int) -> tuple[Tick, ...]:
        step = _round_step((self.high - self.low) / wanted)
        first = math.ceil(self.low / step - _SAME)
        last = math.floor(self.high / step + _SAME)
        decimals = max(0, -math.floor(math.log10(step) + _SAME))
        if not math.isclose(round(step, decimals), step):
            decimals += 1  # a step of 2.5
        return tuple(
            Tick(place * step, plain(place * step, decimals)) for place in range(first, last + 1)
        )

    def _decades(self, wanted: int) -> tuple[Tick, ...]:
        values = self._rounded(_DECADE_STEPS)
        if len(values) > wanted:
            values = self._rounded((1.0,))
        return tuple(
            Tick(value, plain(value, max(0, -math.floor(math.log10(value) + _SAME))))
            for value in values
        )

    def _rounded(self, steps: tuple[float, ...]) -> list[float]:
        """Steps times powers of ten, as far as they are on the scale."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        values = [step * 10.0**power for power in powers for step in steps]
        return [value for value in values if self.low <= value <= self.high]


def spanning(
    values: Iterable[float], start: float, end: float, *, is_signed: bool = False
) -> Scale:
    """A linear scale around some values; unless signed, not below 0 where none of them is."""
    known = list(values)
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    stays_positive = low >= 0 and not is_signed
    if high - low <= _SAME * max(1.0, abs(high)):
        room = max(abs(high) / 10, 1.0)
    else:
        room = (high - low) * _PADDING
    low, high = low - room, high + room
    return Scale(max(low, 0.0) if stays_positive else low, high, start, end)


def from_zero(values: Iterable[float], start: float, end: float) -> Scale:
    """A linear scale from 0 to the greatest of some values, none of which is below 0."""
    high = max(values, default=0.0)
    return Scale(0.0, high if high > 0 else 1.0, start, end)


def of_times(values: Iterable[float], start: float, end: float) -> Scale:
    """A scale for times: from 0, or logarithmic where they differ much."""
    known = [value for value in values if value > 0]
    if not known or max(known) / min(known) < _SPREAD_OF_A_LOG_SCALE:
        return from_zero(known, start, end)
    return Scale(min(known) / 1.2, max(known) * 1.2, start, end, is_logarithmic=True)


def plain(value: float, decimals: int) -> str:
    """Writes a number with a real minus sign, and commas between thousands."""
    text = f"{value:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}")


def _round_step(least: float) -> float:
    """The least round step that is not below another."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - _SAME))
