"""What charts write: names of metrics, settings and parts, numbers, and names that fit."""

import unicodedata

from services.benchmark.records import Setting
from services.sweep.leaderboard.standings import ALL_PARTS, reported
from services.sweep.report.charts.scales import plain
from services.sweep.report.model import Contrast, Estimate
from services.sweep.report.tables.layout import has_best, shown, shown_bounds, shown_difference

SETTINGS = {Setting.WITH_TITLE: "With Title", Setting.WITHOUT_TITLE: "Without Title"}

TEXT_SIZE = 12.0

_PARTS = {ALL_PARTS: "All questions", "seen": "Seen artworks", "unseen": "Unseen artworks"}

_METRICS = {
    "bleu": "BLEU",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "bertscore": "BERTScore",
    "ef1": "Entity F1",
    "ec_exact": "Entity coverage, exact",
    "ec_partial": "Entity coverage, partial",
    "ecooc_0": "Entity co-occurrence, same sentence",
    "ecooc_1": "Entity co-occurrence, ±1 sentence",
    "ecooc_2": "Entity co-occurrence, ±2 sentences",
    "ecooc_inf": "Entity co-occurrence, whole text",
    "length_penalty": "Length penalty",
    "length": "Length",
}

_MINUS = "\N{MINUS SIGN}"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

# Widths as shares of the size, of a wide font (DejaVu Sans): others take less.
_NARROW, _WIDE, _CAPITAL, _USUAL, _FULL = 0.37, 0.93, 0.71, 0.62, 1.0
_NARROW_LETTERS = frozenset("fijlrtI.,:;'|!()[]{}/\\ -`")
_WIDE_LETTERS = frozenset("mwMW@%<>=+~#")


def metric_name(metric: str) -> str:
    """A metric's name in words."""
    return _METRICS.get(metric, metric)


def metric_axis(metric: str) -> str:
    """The title of an axis that shows a metric, with what its numbers are."""
    unit = "\N{MULTIPLICATION SIGN} 100" if has_best(metric) else "tokens"
    return f"{metric_name(metric)} ({unit})"


def part_name(part: str) -> str:
    """A part of the test in words."""
    return _PARTS.get(part, part)


def part_order(part: str) -> tuple[int, str]:
    """Sorts parts: all questions first, then seen, unseen and what else there is."""
    known = list(_PARTS)
    return (known.index(part) if part in known else len(known), part)


def on_scale(metric: str, value: float) -> float:
    """A value as axes show it: shares times 100."""
    number = reported(metric, value)
    return value if number is None else number


def value_text(metric: str, value: float | None) -> str:
    """A metric's value, or a dash."""
    return shown(metric, value).replace("-", _MINUS)


def estimate_text(metric: str, estimate: Estimate) -> str:
    """A mean with its interval."""
    bounds = shown_bounds(metric, estimate.interval).replace("-", _MINUS)
    return f"{value_text(metric, estimate.value)} {bounds}".strip()


def contrast_text(metric: str, contrast: Contrast) -> str:
    """A difference with its sign and its interval."""
    bounds = shown_bounds(metric, contrast.interval)
    difference = shown_difference(metric, contrast.difference)
    return f"{difference} {bounds}".strip().replace("-", _MINUS)


def count_text(count: int, noun: str) -> str:
    """A number of things."""
    return f"{plain(count, 0)} {noun}{'' if count == 1 else 's'}"


def percent_text(share: float) -> str:
    """A share as whole per cent; what is neither none nor all is not shown as such."""
    rounded = round(share * 100)
    if rounded == 0 and share > 0:
        return "<1 %"
    if rounded == 100 and share < 1:  # noqa: PLR2004 - per cent
        return ">99 %"
    return f"{rounded} %"


def seconds_text(seconds: float) -> str:
    """A time in the unit that suits it, to about two digits."""
    for unit, size in (("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= 2 * size or (unit == "s" and seconds >= size):
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{_two_digits(seconds * 1000)} ms"


def rounded_text(value: float) -> str:
    """A number to about three digits."""
    magnitude = abs(value)
    for least, decimals in ((100.0, 0), (10.0, 1), (1.0, 2), (0.1, 3)):
        if magnitude >= least:
            return plain(value, decimals)
    return "0" if value == 0 else f"{value:.2g}"


def text_width(text: str, size: float = TEXT_SIZE) -> float:
    """About how wide a text is, in a common sans-serif font of a size."""
    return size * sum(map(_letter_width, text))


def fitted(text: str, width: float, size: float = TEXT_SIZE) -> str:
    """Shortens a text that is too wide, in its middle: names of models differ at both ends."""
    text = " ".join(text.split())
    if text_width(text, size) <= width:
        return text
    head, tail = "", ""
    for place in range(len(text)):
        before, after = text[place], text[-1 - place]
        if text_width(head + before + ELLIPSIS + tail, size) > width:
            break
        head += before
        if text_width(head + ELLIPSIS + after + tail, size) > width:
            break
        tail = after + tail
    return f"{head.rstrip()}{ELLIPSIS}{tail.lstrip()}"


def _two_digits(value: float) -> str:
    return plain(value, 1 if value < 10 else 0)  # noqa: PLR2004 - two digits


def _letter_width(letter: str) -> float:
    if letter in _NARROW_LETTERS:
        return _NARROW
    if letter in _WIDE_LETTERS:
        return _WIDE
    if unicodedata.combining(letter) or unicodedata.category(letter) in {"Cf", "Mn", "Me"}:
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF":
        return _FULL
    return _CAPITAL if letter.isupper() else _USUAL
