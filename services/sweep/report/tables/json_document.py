"""A report as one JSON document: all its numbers, but the answers themselves."""

import json
from collections.abc import Mapping, Sequence

from services.sweep.leaderboard.standings import reported
from services.sweep.report.knowledge.model import EntityKnowledge, EntityStanding
from services.sweep.report.model import (
    Comparison,
    Contrast,
    Estimate,
    Gap,
    Interval,
    MetricResult,
    PublishedRow,
    Report,
    Row,
    SweepInfo,
)
from services.sweep.report.tables.facts import reported_bounds, row_facts

Json = str | int | float | None | Sequence["Json"] | Mapping[str, "Json"]
"""What a JSON document is made of."""


def leaderboard_json(report: Report) -> str:
    """The report as a JSON document; shares are times 100, p-values as they are."""
    how = report.resampling
    document: dict[str, Json] = {
        "title": report.title,
        "made_at": report.made_at.isoformat(),
        "resampling": {
            "unit": "artwork",
            "confidence": 0.95,
            "resamples": how.resamples,
            "seed": how.seed,
            "artworks": how.artworks,
        },
        "sweeps": [_sweep(sweep) for sweep in report.sweeps],
        "signatures": {
            name: {"macro": one.macro, "micro": one.micro}
            for name, one in report.signatures.items()
        },
        "standings": [_standing(row, report) for row in report.rows],
        "comparisons": [_comparison(one, report) for one in report.comparisons],
        "gaps": [_gap(gap, report) for gap in report.gaps],
        "published": [_published(row) for row in report.published],
        "entities": None if report.entities is None else _entities(report.entities, report),
        "correlations": None
        if report.correlations is None
        else {
            "metrics": report.correlations.metrics,
            "values": report.correlations.values,
            "answers": report.correlations.answers,
        },
    }
    return json.dumps(document, indent=2) + "\n"


def interval_json(metric: str, interval: Interval | None) -> Json:
    """An interval as two numbers, shares times 100; null where there is none."""
    return None if interval is None else reported_bounds(metric, interval)


def contrast_json(metric: str, contrast: Contrast) -> dict[str, Json]:
    """A difference with its interval and significance; shares are times 100."""
    return {
        "difference": reported(metric, contrast.difference),
        "interval": interval_json(metric, contrast.interval),
        "p": contrast.p,
        "p_corrected": contrast.p_corrected,
        "questions": contrast.questions,
        "artworks": contrast.artworks,
    }


def _standing(row: Row, report: Report) -> dict[str, Json]:
    return {
        **row_facts(row, report),
        "metrics": {name: _metric(name, result, report) for name, result in row.metrics.items()},
    }


def _metric(name: str, result: MetricResult, report: Report) -> dict[str, Json]:
    signature = report.signatures.get(name)
    micro = result.micro or Estimate(None, None, 0, 0)
    return {
        "mean": reported(name, result.macro.value),
        "interval": interval_json(name, result.macro.interval),
        "corpus_value": reported(name, micro.value),
        "corpus_interval": interval_json(name, micro.interval),
        "corpus_signature": None if signature is None else signature.micro,
        "mean_with_zeros": reported(name, result.mean_with_zeros),
        "scored": result.macro.questions,
        "artworks": result.macro.artworks,
        "unscorable": dict(result.unscorable),
        "signature": None if signature is None else signature.macro,
    }


def _comparison(one: Comparison, report: Report) -> dict[str, Json]:
    return {
        "first": report.contenders[one.first].label,
        "second": report.contenders[one.second].label,
        "metric": one.metric,
        "setting": one.setting.value,
        "part": one.part,
        **contrast_json(one.metric, one.contrast),
    }


def _gap(gap: Gap, report: Report) -> dict[str, Json]:
    return {
        "kind": gap.kind.value,
        "label": report.contenders[gap.contender].label,
        "metric": gap.metric,
        "setting": None if gap.setting is None else gap.setting.value,
        "part": gap.part,
        **contrast_json(gap.metric, gap.contrast),
    }


def _published(row: PublishedRow) -> dict[str, Json]:
    return {
        "model": row.model,
        "setting": row.setting.value,
        "source": row.source,
        "sample": row.sample,
        "metrics": {name: reported(name, value) for name, value in row.values.items()},
    }


def _sweep(sweep: SweepInfo) -> dict[str, Json]:
    return {
        "name": sweep.name,
        "output": sweep.output,
        "dataset": sweep.dataset,
        "dataset_revision": sweep.dataset_revision,
        "dataset_digest": sweep.dataset_digest,
        "planned_at": sweep.planned_at.isoformat(),
        "ended_at": None if sweep.ended_at is None else sweep.ended_at.isoformat(),
        "versions": dict(sweep.versions),
        "attested": {name: list(said) for name, said in sweep.attested.items()},
        "failures": dict(sweep.failures),
        "currency": sweep.currency,
        "costs": [
            {
                "model": cost.label,
                "questions": cost.questions,
                "prompt_tokens": cost.prompt_tokens,
                "generated_tokens": cost.generated_tokens,
                "model_s": cost.model_s,
                "busy_s": cost.busy_s,
                "gpu_s": cost.gpu_s,
                "money": cost.money,
            }
            for cost in sweep.costs
        ],
        "notes": list(sweep.notes),
    }


def _entities(known: EntityKnowledge, report: Report) -> dict[str, Json]:
    def listed(standings: Sequence[EntityStanding]) -> list[Json]:
        return [
            {
                "entity": standing.entity,
                "answers": standing.questions,
                "asked": standing.asked,
                "found": standing.found,
                "repeats": standing.repeats,
            }
            for standing in standings
        ]

    return {
        "distinct": known.distinct,
        "contenders": [contender.label for contender in report.contenders],
        "coverage_counts": known.coverage_counts,
        "most_asked": listed(known.most_asked),
        "most_missed": listed(known.most_missed),
        "most_repeated": listed(known.most_repeated),
        "most_known": listed(known.most_known),
    }
