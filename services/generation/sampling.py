"""Checks what a caller asks of sampling and fills in the model's defaults."""

import secrets
from dataclasses import dataclass, fields, replace

from services.core.errors import FieldViolation
from services.generation.domain import Sampling, SamplingRequest

MAX_STOP_TEXTS = 16
# Every stop text is looked for after every token, and remembered with the answer.
MAX_STOP_CHARS = 1000
# A drawn seed is short enough to be read out and typed in again.
_DRAWN_SEED_BITS = 31


@dataclass(frozen=True, slots=True)
class _Range:
    low: float
    high: float | None = None
    low_included: bool = True

    def holds(self, value: float) -> bool:
        """Tells whether a value lies in the range; NaN lies in none."""
        above = value >= self.low if self.low_included else value > self.low
        return above and (value <= self.high if self.high is not None else value < float("inf"))

    def __str__(self) -> str:
        low = f"{'at least' if self.low_included else 'above'} {self.low:g}"
        return low if self.high is None else f"{low} and at most {self.high:g}"


_RANGES = {
    "max_tokens": _Range(1),
    "temperature": _Range(0, 2),
    "top_p": _Range(0, 1, low_included=False),
    "top_k": _Range(0),
    "seed": _Range(0),
    "repetition_penalty": _Range(0, 2, low_included=False),
    "presence_penalty": _Range(-2, 2),
    "frequency_penalty": _Range(-2, 2),
    "min_tokens": _Range(0),
}


def sampling_violations(asked: SamplingRequest) -> list[FieldViolation]:
    """Names every sampling field that is out of range, with the limit and the given value."""
    found = [
        FieldViolation(f"sampling.{name}", f"must be {allowed}; got {value:g}")
        for name, allowed in _RANGES.items()
        if (value := getattr(asked, name)) is not None and not allowed.holds(value)
    ]
    if len(asked.stop) > MAX_STOP_TEXTS:
        found.append(
            FieldViolation(
                "sampling.stop", f"must hold at most {MAX_STOP_TEXTS} texts; got {len(asked.stop)}"
            )
        )
        return found  # a message has room for millions of them
    found.extend(
        FieldViolation(
            f"sampling.stop[{index}]",
            f"must have at least 1 and at most {MAX_STOP_CHARS} characters; got {len(text)}",
        )
        for index, text in enumerate(asked.stop)
        if not 1 <= len(text) <= MAX_STOP_CHARS
    )
    return found


def limit_violations(sampling: Sampling) -> list[FieldViolation]:
    """Names the fields that contradict each other once the defaults are filled in."""
    if sampling.min_tokens <= sampling.max_tokens:
        return []
    return [
        FieldViolation(
            "sampling.min_tokens",
            f"must be at most max_tokens, {sampling.max_tokens}; got {sampling.min_tokens}",
        )
    ]


def fill_sampling(asked: SamplingRequest, defaults: Sampling) -> Sampling:
    """Takes the model's default for every field left open.

    A seed is drawn where chance plays a part and none was given, so that the provenance always
    names the one that was used.
    """
    given = {
        field.name: value
        for field in fields(asked)
        if field.name != "stop" and (value := getattr(asked, field.name)) is not None
    }
    sampling = replace(defaults, **given, stop=asked.stop or defaults.stop)
    if sampling.seed is None and sampling.temperature > 0:
        return replace(sampling, seed=secrets.randbits(_DRAWN_SEED_BITS))
    return sampling
