"""The numbers of a report as the page's script reads them: shares times 100, in columns."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from services.sweep.leaderboard.standings import reported
from services.sweep.report.model import (
    Contrast,
    Estimate,
    Interval,
    MetricResult,
    PublishedRow,
    Report,
    Row,
)
from services.sweep.report.page.metric_words import headline, metric_words

_DIGITS = 4

_Numbers = list[float | None]


def numbers_json(report: Report) -> str:
    """Writes the numbers as JSON that may stand inside any element of a page."""
    document = {
        "contenders": [asdict(contender) for contender in report.contenders],
        "headline": headline(report.metrics),
        "metrics": [_metric(report, name) for name in report.metrics],
        "rows": [_row(row) for row in report.rows],
        "published": [_published(row, report.metrics) for row in report.published],
        "pairs": {
            "metric": [pair.metric for pair in report.comparisons],
            "setting": [pair.setting for pair in report.comparisons],
            "part": [pair.part for pair in report.comparisons],
            "first": [pair.first for pair in report.comparisons],
            "second": [pair.second for pair in report.comparisons],
            **_contrasts((pair.metric, pair.contrast) for pair in report.comparisons),
        },
        "gaps": {
            "kind": [gap.kind for gap in report.gaps],
            "contender": [gap.contender for gap in report.gaps],
            "metric": [gap.metric for gap in report.gaps],
            "setting": [gap.setting for gap in report.gaps],
            "part": [gap.part for gap in report.gaps],
            **_contrasts((gap.metric, gap.contrast) for gap in report.gaps),
        },
        "entities": None if report.entities is None else asdict(report.entities),
    }
    return embeddable(json.dumps(document, allow_nan=False))


def embeddable(document: str) -> str:
    """Escapes what could end an element or begin a comment in JSON of ASCII; it says the same."""
    for character in "<>&":
        document = document.replace(character, f"\\u{ord(character):04x}")
    return document


def _metric(report: Report, name: str) -> Mapping[str, object]:
    signature = report.signatures.get(name)
    return asdict(metric_words(name)) | {"signature": signature.macro if signature else ""}


def _row(row: Row) -> Mapping[str, object]:
    return {
        "contender": row.contender,
        "setting": row.setting,
        "part": row.part,
        "counts": asdict(row.counts),
        "values": {name: _result(name, result) for name, result in row.metrics.items()},
    }


def _result(metric: str, result: MetricResult) -> Mapping[str, object]:
    return {
        "macro": _estimate(metric, result.macro),
        "micro": None if result.micro is None else _estimate(metric, result.micro),
        "withZeros": _shown(metric, result.mean_with_zeros),
        "questions": result.macro.questions,
        "artworks": result.macro.artworks,
        "unscorable": dict(result.unscorable),
    }


def _estimate(metric: str, estimate: Estimate) -> _Numbers:
    low, high = _ends(metric, estimate.interval)
    return [_shown(metric, estimate.value), low, high]


def _contrasts(contrasts: Iterable[tuple[str, Contrast]]) -> Mapping[str, Sequence[float | None]]:
    found = list(contrasts)
    ends = [_ends(metric, contrast.interval) for metric, contrast in found]
    return {
        "difference": [_shown(metric, contrast.difference) for metric, contrast in found],
        "low": [low for low, _ in ends],
        "high": [high for _, high in ends],
        "p": [contrast.p for _, contrast in found],
        "corrected": [contrast.p_corrected for _, contrast in found],
        "questions": [contrast.questions for _, contrast in found],
        "artworks": [contrast.artworks for _, contrast in found],
    }


def _published(row: PublishedRow, metrics: Sequence[str]) -> Mapping[str, object]:
    return {
        "model": row.model,
        "setting": row.setting,
        "values": {name: _shown(name, row.values.get(name)) for name in metrics},
        "source": row.source,
        "sample": row.sample,
    }


def _ends(metric: str, interval: Interval | None) -> tuple[float | None, float | None]:
    if interval is None:
        return None, None
    return _shown(metric, interval.low), _shown(metric, interval.high)


def _shown(metric: str, value: float | None) -> float | None:
    shown = reported(metric, value)
    return None if shown is None else round(shown, _DIGITS)
