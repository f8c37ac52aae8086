"""Which scores a spec asks for, told by the digests that they carry."""

from pathlib import Path

import pytest
import yaml

from services.metrics.options import CaseRule, ScoringOptions
from services.sweep.results.scorings import Scoring, other_scorings
from services.sweep.spec.scoring_options import options_of, section_of
from services.sweep.spec.spec import ScoringSection, SweepSpec, load_spec

DEFAULTS = ScoringSection()
INSENSITIVE = ScoringSection(case="insensitive")


def spec(folder: Path, **keys: object) -> SweepSpec:
    path = folder / "sweep.yaml"
    declared = {"dataset": {"folder": "data"}, "models": ["alpha"], "output": "out", **keys}
    path.write_text(yaml.safe_dump(declared))
    return load_spec(path)


def scoring(digest: str, options: ScoringSection = DEFAULTS, *metrics: str) -> Scoring:
    return Scoring(metrics=metrics, options=options, signatures_digest=digest)


def test_only_what_is_known_to_be_scored_otherwise_is_none_of_the_specs(tmp_path: Path) -> None:
    noted = [
        scoring("plain"),
        scoring("newer"),  # of a later version of the service
        scoring("insensitive", INSENSITIVE),
        scoring("lengths", DEFAULTS, "length"),
    ]
    assert other_scorings(noted, spec(tmp_path)) == {"insensitive", "lengths"}
    asked = spec(tmp_path, scoring_options={"case": "insensitive"})
    assert other_scorings(noted, asked) == {"plain", "newer", "lengths"}
    assert other_scorings(noted, spec(tmp_path, metrics=["length"])) == {
        "plain",
        "newer",
        "insensitive",
    }


def test_the_same_scores_asked_for_in_two_ways_are_the_specs(tmp_path: Path) -> None:
    # The service's own choice, and the same metrics by their names in another order.
    noted = [scoring("d"), scoring("d", DEFAULTS, "bleu", "length")]
    assert other_scorings(noted, spec(tmp_path)) == frozenset()
    assert other_scorings(noted, spec(tmp_path, metrics=["length", "bleu"])) == frozenset()


@pytest.mark.parametrize("name", ScoringSection.model_fields)
def test_a_spec_takes_the_values_that_the_metrics_know(name: str) -> None:
    values = ScoringSection.model_json_schema()["properties"][name]["enum"]
    rules = type(getattr(ScoringOptions(), name))
    assert values == [rule.value for rule in rules]
    assert getattr(DEFAULTS, name) == getattr(ScoringOptions(), name)


def test_options_become_a_section_and_options_again() -> None:
    options = ScoringOptions(case=CaseRule.INSENSITIVE)
    assert section_of(options) == INSENSITIVE
    assert options_of(INSENSITIVE) == options
