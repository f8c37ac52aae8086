"""The worked example of the metrics' definition, number by number."""

import json
from pathlib import Path

import pytest

from services.metrics import (
    METRICS,
    GeneratedEntitiesRule,
    ScoringInput,
    ScoringOptions,
    TokenizerRule,
    score_all,
)

GOLDEN = json.loads((Path(__file__).parent / "entity_metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_every_number_of_the_worked_example_comes_out(case: dict[str, object]) -> None:
    values, options, own = (
        case["values"],
        case.get("options", {}),
        case.get("candidate_entities"),
    )
    assert isinstance(values, dict)
    assert isinstance(options, dict)
    options = dict(options)
    assert own is None or isinstance(own, list)
    default = ScoringOptions()
    choice = ScoringOptions(
        tokenizer=TokenizerRule(options.pop("tokenizer", default.tokenizer)),
        generated_entities=GeneratedEntitiesRule(
            options.pop("generated_entities", default.generated_entities)
        ),
    )
    assert not options, "options that this test does not read"
    item = ScoringInput(
        str(case["candidate"]),
        GOLDEN["reference"],
        GOLDEN["entities"],
        choice,
        candidate_entities=own,
    )

    scores = {score.metric: score for score in score_all(item, list(values))}

    found = {name: score.value for name, score in scores.items()}
    assert found == pytest.approx(values, abs=GOLDEN["tolerance"])
    ef1 = dict(zip(METRICS["ef1"].statistic_names, scores["ef1"].statistics, strict=True))
    assert ef1["precision"] == case["ef1_precision"]
    assert ef1["recall"] == case["ef1_recall"]


def test_the_reference_of_the_worked_example_has_27_tokens() -> None:
    assert len(ScoringInput("", GOLDEN["reference"]).reference.tokens) == 27
