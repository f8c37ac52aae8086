"""A comparison of two sweeps as one JSON document."""

import json

from services.sweep.leaderboard.standings import reported
from services.sweep.report.compare.model import (
    AnswerChanges,
    MetricChange,
    ModelChange,
    QuestionChange,
    SweepComparison,
)
from services.sweep.report.tables.json_document import Json, contrast_json


def comparison_json(comparison: SweepComparison) -> str:
    """The comparison as a JSON document; shares are times 100, p-values as they are."""
    how = comparison.resampling
    document: dict[str, Json] = {
        "old": comparison.old,
        "new": comparison.new,
        "resampling": {
            "unit": "artwork",
            "confidence": 0.95,
            "resamples": how.resamples,
            "seed": how.seed,
            "artworks": how.artworks,
        },
        "metrics": list(comparison.metrics),
        "signatures": dict(comparison.signatures),
        "only_old": list(comparison.only_old),
        "only_new": list(comparison.only_new),
        "models": [_model(model) for model in comparison.models],
        "largest": [_question(change) for change in comparison.largest],
    }
    return json.dumps(document, indent=2) + "\n"


def _model(model: ModelChange) -> dict[str, Json]:
    return {
        "label": model.label,
        "control": model.control.value,
        "old_revision": model.old_revision,
        "new_revision": model.new_revision,
        "answers": [_answers(one) for one in model.answers],
        "metrics": [_metric(change) for change in model.metrics],
    }


def _answers(one: AnswerChanges) -> dict[str, Json]:
    return {
        "setting": one.setting.value,
        "planned": one.planned,
        "given": one.given,
        "changed": one.changed,
        "newly_failed": one.newly_failed,
        "mended": one.mended,
        "pending": one.pending,
    }


def _metric(change: MetricChange) -> dict[str, Json]:
    return {
        "metric": change.metric,
        "setting": change.setting.value,
        "part": change.part,
        "old": reported(change.metric, change.old),
        "new": reported(change.metric, change.new),
        **contrast_json(change.metric, change.contrast),
        "old_scored": change.old_scored,
        "new_scored": change.new_scored,
        "rose": change.rose,
        "fell": change.fell,
        "same": change.same,
    }


def _question(change: QuestionChange) -> dict[str, Json]:
    return {
        "label": change.label,
        "metric": change.metric,
        "question": change.question,
        "title": change.title,
        "old": reported(change.metric, change.old),
        "new": reported(change.metric, change.new),
        "difference": reported(change.metric, change.difference),
    }
