"""Autoscaling of the scoring service by KEDA."""

import pytest

from tests.helm.chart import Manifest, list_at, mapping_at, refusal, render
from tests.helm.crd_schemas import has_definitions
from tests.helm.kubernetes_schemas import violations

TEMPLATE = "scoring/scaledobject.yaml"
ALONE = "scoring-only-values.yaml"


def scaled(**autoscaling: object) -> Manifest:
    keda = {"prometheusAddress": "http://prometheus:9090", "pendingItemsPerReplica": 2000000}
    values = {"scoring": {"autoscaling": {"mode": "keda", "keda": keda, **autoscaling}}}
    (item,) = render(ALONE, values=values).from_template(TEMPLATE)  # type: ignore[arg-type]
    return item


@pytest.mark.parametrize("mode", ["none", "hpa"])
def test_it_is_not_there_where_something_else_scales(mode: str) -> None:
    values: Manifest = {"scoring": {"autoscaling": {"mode": mode}}}
    assert render(ALONE, values=values).from_template(TEMPLATE) == ()


def test_it_asks_prometheus_for_waiting_items_of_this_namespace() -> None:
    by_items, by_processor = list_at(scaled(), "spec", "triggers")
    metadata = mapping_at(by_items, "metadata")
    assert metadata["serverAddress"] == "http://prometheus:9090"
    assert 'namespace="expart"' in str(metadata["query"])
    # Another release may score in the same namespace.
    assert 'pod=~"demo-expart-serving-scoring-.+"' in str(metadata["query"])
    # Without an answer the fallback holds; a 0 would end pods that are at work.
    assert metadata["ignoreNullValues"] == "false"
    # KEDA takes texts only.
    assert metadata["threshold"] == "2000000"
    assert by_processor["type"] == "cpu"


def test_it_scales_between_the_bounds_and_not_below_without_an_answer() -> None:
    spec = mapping_at(scaled(minReplicas=3, maxReplicas=9), "spec")
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (3, 9)
    assert mapping_at(spec, "fallback")["replicas"] == 3


def test_it_needs_the_address_of_prometheus() -> None:
    values: Manifest = {"scoring": {"autoscaling": {"mode": "keda"}}}
    assert "prometheusAddress" in refusal(ALONE, values=values)


@pytest.mark.skipif(
    not has_definitions(), reason="the custom resource definitions of others are not here"
)
def test_it_is_what_keda_s_definition_asks_for() -> None:
    assert violations(scaled(), "1.33") == []
