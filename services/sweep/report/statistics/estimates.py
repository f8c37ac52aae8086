"""Means and corpus values over questions, with intervals from resampled artworks.

The bootstrap is clustered on the artwork, since questions about one artwork share its fate: a
resample draws whole artworks, and its mean is the sum over the questions drawn by their number.
The interval holds the middle 95 % of these means (percentile method). Resamples that draw none of
a sample's artworks have no mean and are left out.
"""

import math
from collections.abc import Sequence

import numpy as np

from services.metrics.registry import METRICS
from services.sweep.report.model import Estimate, Interval
from services.sweep.report.statistics.draws import Draws
from services.sweep.report.statistics.samples import (
    Floats,
    Sample,
    gridded,
    questions_by_artwork,
    totals_by_artwork,
)

# Of the resampled values, the share that lies below an interval, and the share above it.
TAIL = 0.025

# Fewer than these say nothing of how much artworks differ.
LEAST_ARTWORKS = 2

# Rows of resampled numbers that are held at a time: 20 MB of 10,000 resamples.
BATCH = 256


def macro_estimates(draws: Draws, samples: Sequence[Sample]) -> list[Estimate]:
    """Estimates the mean of each sample."""
    found: list[Estimate] = []
    for start in range(0, len(samples), BATCH):
        some = samples[start : start + BATCH]
        for sample, means in zip(some, resampled_means(draws, some), strict=True):
            found.append(_estimate(sample, sample.mean, means))
    return found


def micro_estimates(draws: Draws, metric: str, samples: Sequence[Sample]) -> list[Estimate]:
    """Estimates the corpus value of each sample, from the sums of its statistics.

    Raises:
        ValueError: The metric has no such value.
    """
    corpus_value = METRICS[metric].corpus_value
    if corpus_value is None:
        raise ValueError(f"{metric} has no value from summed statistics")
    width = len(METRICS[metric].statistic_names)
    count = max(1, BATCH // width)
    found: list[Estimate] = []
    for start in range(0, len(samples), count):
        some = samples[start : start + count]
        rows = [_totals(draws, sample, column) for sample in some for column in sample.statistics.T]
        resampled = draws.resample(np.array(rows)).reshape(len(some), width, draws.resamples)
        for sample, sums in zip(some, resampled, strict=True):
            whole = [math.fsum(column) for column in sample.statistics.T.tolist()]
            values = map(corpus_value, sums.T.tolist())
            found.append(
                _estimate(
                    sample,
                    corpus_value(whole) if len(sample) else None,
                    np.array([math.nan if value is None else value for value in values]),
                )
            )
    return found


def resampled_means(draws: Draws, samples: Sequence[Sample]) -> list[Floats]:
    """Means over the questions drawn, an array for each sample with one for each resample.

    They are not a number where none of a sample's questions was drawn.
    """
    totals = draws.resampled([_totals(draws, sample, sample.values) for sample in samples])
    drawn = draws.resampled(
        [questions_by_artwork(sample.artworks, draws.artwork_count) for sample in samples]
    )
    with np.errstate(invalid="ignore"):
        return [total / count for total, count in zip(totals, drawn, strict=True)]


def percentile_interval(values: Floats) -> Interval | None:
    """Finds between which values the middle 95 % lie, interpolating between neighbours.

    Args:
        values: Resampled values; those that are not a number are left out. Their order is
            changed.
    """
    if math.isnan(float(values.sum())):
        values = values[~np.isnan(values)]
    last = len(values) - 1
    if last < 0:
        return None
    below = int(TAIL * last)
    share = TAIL * last - below
    if not last:
        return Interval(float(values[0]), float(values[0]))
    # One place at a time, which is several times as fast as both at once; mirrored, so that the
    # interval of the opposite values is the opposite to the last bit.
    values.partition(below)
    low, above = float(values[below]), float(values[below + 1 :].min())
    values.partition(last - below)
    high, beneath = float(values[last - below]), float(values[: last - below].max())
    return Interval(low + share * (above - low), high + share * (beneath - high))


def _estimate(sample: Sample, value: float | None, resampled: Floats) -> Estimate:
    artworks = sample.artwork_count
    is_told = value is not None and artworks >= LEAST_ARTWORKS
    interval = percentile_interval(resampled) if is_told else None
    return Estimate(value, interval, len(sample), artworks)


def _totals(draws: Draws, sample: Sample, values: Floats) -> Floats:
    rounded = gridded(values, draws.most_drawn).values
    return totals_by_artwork(sample.artworks, rounded, draws.artwork_count)
