"""How fast answers came: rates over time, and the time that single answers took."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from services.sweep.report.evidence import Evidence
from services.sweep.report.knowledge.model import Pace
from services.sweep.results.stored_columns import Indices, microseconds

_NUMBERS = (
    "generated_token_count", "admission_s", "queue_s", "prefill_s", "decode_s", "elapsed_s",
    "first_token_s", "total_s",
)  # fmt: skip
_COLUMNS = ("generated_at", *_NUMBERS)

# Widths of bins that people can name; a chart has room for so many bins.
_DAY_S = 86_400
_WIDTHS_S = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10_800, 21_600, 43_200, _DAY_S),
)
_MOST_BINS = 120
_QUANTILES = (0.5, 0.9, 0.99)
_MILLION = 1e6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """What some answers took, one row each; times in seconds.

    Attributes:
        ended_us: When each was there, in microseconds since 1970.
        total_s: How long it took, arrival at the service to its end.
        first_token_s: The same, to its first token.
        decode_s: From its first token to its last.
        tokens: How many tokens were generated.
    """

    ended_us: Indices
    total_s: _Floats
    first_token_s: _Floats
    decode_s: _Floats
    tokens: _Floats

    @property
    def began_us(self) -> Indices:
        """When each was under way."""
        found: Indices = self.ended_us - np.rint(self.total_s * _MILLION).astype(np.int64)
        return found


def paces(evidence: Evidence) -> tuple[Pace, ...]:
    """Says how fast the answers of each sweep's models came, in the order of the contenders.

    Counted are the explanations that the report is about, of all ways of asking a model together.

    Raises:
        UserInputError: A table cannot be read.
    """
    named = [(one.sweep, one.model) for one in evidence.contenders]
    models = tuple(dict.fromkeys(named))
    model_of = np.array([models.index(name) for name in named], np.int64)
    numbers: list[Indices] = []
    parts: list[AnswerTimes] = []
    for rows, batch in evidence.answers(_COLUMNS):
        numbers.append(model_of[evidence.contender[rows]])
        parts.append(_times(batch))
    if not parts:
        return ()
    number, times = np.concatenate(numbers), _joined(parts)
    began_us = int(times.began_us.min())
    bin_s = bin_width(float(times.ended_us.max() - began_us) / _MILLION)
    return tuple(
        pace_of(label, sweep, _at(times, rows), began_us, bin_s)
        for at, (sweep, label) in enumerate(models)
        if len(rows := np.flatnonzero(number == at))
    )


def pace_of(label: str, sweep: str, times: AnswerTimes, began_us: int, bin_s: float) -> Pace:
    """One model's pace.

    Args:
        label: Model and adapter.
        sweep: Name of the sweep.
        times: Its answers; at least one.
        began_us: From when on time is counted in bins, in microseconds since 1970.
        bin_s: Width of these bins.
    """
    bins = ((times.ended_us - began_us) / (bin_s * _MILLION)).astype(np.int64)
    is_decoded = (times.decode_s > 0) & (times.tokens > 1)
    # The first token comes of the prefill.
    rates = (times.tokens[is_decoded] - 1) / times.decode_s[is_decoded]
    return Pace(
        label=label,
        sweep=sweep,
        answers=len(bins),
        began_at=_datetime(int(times.began_us.min())),
        ended_at=_datetime(int(times.ended_us.max())),
        bin_s=bin_s,
        rates=tuple((np.bincount(bins) / bin_s).tolist()),
        total_s=_quantiles(times.total_s),
        first_token_s=_quantiles(times.first_token_s),
        tokens_per_s=float(np.median(rates)) if len(rates) else 0.0,
    )


def bin_width(span_s: float) -> float:
    """The least width in seconds with which so much time takes no more bins than a chart shows."""
    for width in _WIDTHS_S:
        if span_s <= width * _MOST_BINS:
            return float(width)
    return float(_DAY_S * math.ceil(span_s / (_DAY_S * _MOST_BINS)))


def _quantiles(values: _Floats) -> tuple[float, float, float]:
    half, most, nearly_all = np.quantile(values, _QUANTILES).tolist()
    return half, most, nearly_all


def _datetime(time_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_us)


def _times(batch: pa.RecordBatch) -> AnswerTimes:
    # Tables of an older version lack some columns' values.
    took = {
        name: np.nan_to_num(batch.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False))
        for name in _NUMBERS
    }
    waited = took["admission_s"] + took["queue_s"] + took["prefill_s"]
    return AnswerTimes(
        ended_us=microseconds(batch.column("generated_at")),
        total_s=np.where(took["total_s"] > 0, took["total_s"], took["elapsed_s"]),
        first_token_s=np.where(took["first_token_s"] > 0, took["first_token_s"], waited),
        decode_s=took["decode_s"],
        tokens=took["generated_token_count"],
    )


def _joined(parts: Sequence[AnswerTimes]) -> AnswerTimes:
    return AnswerTimes(
        ended_us=np.concatenate([part.ended_us for part in parts]),
        total_s=np.concatenate([part.total_s for part in parts]),
        first_token_s=np.concatenate([part.first_token_s for part in parts]),
        decode_s=np.concatenate([part.decode_s for part in parts]),
        tokens=np.concatenate([part.tokens for part in parts]),
    )


def _at(times: AnswerTimes, rows: Indices) -> AnswerTimes:
    return AnswerTimes(
        times.ended_us[rows],
        times.total_s[rows],
        times.first_token_s[rows],
        times.decode_s[rows],
        times.tokens[rows],
    )
