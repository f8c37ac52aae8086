"""Every metric is declared as Prometheus and its tools expect it, and documented."""

import re
from pathlib import Path

import pytest

from services.telemetry.all_metrics import all_metrics
from services.telemetry.declarations import Kind, MetricDeclaration
from services.telemetry.engine_metrics import ENGINE_METRICS
from services.telemetry.sweep_metrics import SweepMetrics

PROJECT = Path(__file__).parents[3]
DOCUMENT = (PROJECT / "docs" / "metrics.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([a-z0-9_]+)` \| (\w+) \| (.*?) \| (.*?) \|$", DOCUMENT, re.MULTILINE)

# Whatever tells series apart is one of a few: never a request, a client, a picture or a text.
LABELS = {
    *("cause", "code", "currency", "expart_lane", "finish_reason", "gen_ai_request_model", "kind"),
    *("lane", "method", "metric", "model", "outcome", "pool", "reason", "state", "sweep"),
}
# What a histogram, a counter and Prometheus itself append to names.
APPENDED = ("_bucket", "_count", "_sum", "_created", "_info")

each = pytest.mark.parametrize("metric", all_metrics(), ids=lambda metric: metric.name)


@each
def test_names_say_who_tells_what_in_which_base_unit(metric: MetricDeclaration) -> None:
    prefixes = ("expart_generation_", "expart_scoring_", "expart_sweep_", "gen_ai_server_")
    assert re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", metric.name)
    assert metric.name.startswith(prefixes)
    assert (metric.kind is Kind.COUNTER) == metric.name.endswith("_total")
    assert not metric.name.endswith(APPENDED)
    assert not re.search(r"_(ms|milliseconds|minutes|kb|mb|percent)(_|$)", metric.name)


@each
def test_labels_come_from_a_closed_list(metric: MetricDeclaration) -> None:
    assert set(metric.labels) <= LABELS
    assert len(set(metric.labels)) == len(metric.labels)


@each
def test_every_metric_says_in_a_sentence_what_it_means(metric: MetricDeclaration) -> None:
    assert re.fullmatch(r"[A-Z1].*\.", metric.help)
    assert "\n" not in metric.help


@each
def test_histograms_alone_have_bounds_and_these_rise(metric: MetricDeclaration) -> None:
    own = (SweepMetrics.GENERATION_SECONDS, SweepMetrics.COMMIT_SECONDS)  # a driver's own bounds
    assert bool(metric.bounds) == (metric.kind is Kind.HISTOGRAM and metric not in own)
    assert list(metric.bounds) == sorted(set(metric.bounds))


def test_no_name_is_declared_twice() -> None:
    names = [metric.name.removesuffix("_total") for metric in all_metrics()]
    assert len(set(names)) == len(names)


@each
def test_every_metric_is_documented(metric: MetricDeclaration) -> None:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    assert (metric.name, metric.kind.value, labels, metric.help) in ROWS


def test_nothing_is_documented_that_is_gone() -> None:
    documented = {name for name, *_ in ROWS}
    assert documented == {metric.name for metric in (*all_metrics(), *ENGINE_METRICS)}


@pytest.mark.parametrize("metric", ENGINE_METRICS, ids=lambda metric: metric.name)
def test_the_engine_s_metrics_are_documented(metric: MetricDeclaration) -> None:
    labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
    assert (metric.name, metric.kind.value, labels, metric.help) in ROWS
