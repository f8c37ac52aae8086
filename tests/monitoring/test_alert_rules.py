"""Prometheus' own tools take the rules, and every alert fires when it should and only then."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import JsonValue

from deploy.monitoring.rule import Alert
from deploy.monitoring.series import RULE_FILES
from tests.monitoring.programs import CHART, said

RULES = sorted((CHART / "rules").glob("*.yaml"))
TESTS = sorted((Path(__file__).parent / "rules").glob("*_test.yaml"))
ALERTS = [
    rule
    for groups in RULE_FILES.values()
    for group in groups
    for rule in group.rules
    if isinstance(rule, Alert)
]
# Labels that tell one alert from others of its name.
_KINDS = ("burn", "window", "sign", "component")


def test_prometheus_takes_the_rules() -> None:
    said("promtool", "check", "rules", *RULES)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should_and_only_then(file: Path) -> None:
    said("promtool", "test", "rules", file)


def test_promtool_notices_an_alert_that_fires_unasked(tmp_path: Path) -> None:
    right = next(file for file in TESTS if file.stem == "scoring_test").read_text("utf-8")
    planted = right.replace("../../../helm", str(CHART.parent))
    # A worker lost every minute where one in ten minutes was meant.
    assert "0+0.1x120" in planted
    (tmp_path / "planted_test.yaml").write_text(planted.replace("0+0.1x120", "0+1x120"))
    assert "FAILED" in said("promtool", "test", "rules", tmp_path / "planted_test.yaml", fails=True)


def test_every_alert_is_made_to_fire_and_not_to_fire() -> None:
    expected = [*expectations()]
    for alert in ALERTS:
        kind = {name: alert.labels[name] for name in _KINDS if name in alert.labels}
        fires = [
            labels
            for name, labels in expected
            if name == alert.name and kind.items() <= (labels or {}).items()
        ]
        assert fires, f"no test makes {alert.name} {kind} fire"
        assert (alert.name, None) in expected, f"no test keeps {alert.name} from firing"


def expectations() -> Iterator[tuple[str, dict[str, str] | None]]:
    """Names of alerts, with labels where one is expected and None where none is."""
    for file in TESTS:
        for test in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]:
            for rule_test in test.get("alert_rule_test", ()):
                for alert in rule_test["exp_alerts"]:
                    yield rule_test["alertname"], alert["exp_labels"]
            for sample_test in test.get("promql_expr_test", ()):
                yield from _from_samples(sample_test)


def _from_samples(test: dict[str, JsonValue]) -> Iterator[tuple[str, dict[str, str] | None]]:
    expr = str(test["expr"])
    if "ALERTS{" not in expr:
        return
    name = expr.partition('alertname="')[2].partition('"')[0]
    samples = test["exp_samples"]
    assert isinstance(samples, list)
    if not samples:
        yield name, None
    for sample in samples:
        assert isinstance(sample, dict)
        inside = str(sample["labels"]).partition("{")[2].rstrip("}")
        pairs = (item.partition("=") for item in inside.split(",") if item)
        yield name, {key.strip(): value.strip('"') for key, _, value in pairs}


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for alert in ALERTS:
        assert alert.severity in {"critical", "warning"}
        assert "$labels.namespace" in alert.summary or "$labels.sweep" in alert.summary
        assert alert.description.rstrip().endswith("."), alert.name
