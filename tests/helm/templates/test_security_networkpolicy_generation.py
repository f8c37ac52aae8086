"""Who talks to the Ray cluster, and with whom it talks."""

import pytest
from pydantic import JsonValue

from tests.helm.chart import Manifest, Rendered, render
from tests.helm.network import Peer, may_reach, own

TEMPLATE = "security/networkpolicy-generation.yaml"
DEMO = "cpu-demo-values.yaml"
OPERATOR = Peer({"app.kubernetes.io/name": "kuberay-operator"}, "kuberay-system")
PROMETHEUS = Peer({"app": "prometheus"}, "monitoring")
APPLICATION = Peer({"app": "guide"}, "museum")
MODEL, FRONT, HEAD = " cpu", " front", " head"


def made(**policy: JsonValue) -> Rendered:
    return render(DEMO, values={"networkPolicy": policy})


def test_there_is_none_where_generation_is_disabled() -> None:
    assert render("scoring-only-values.yaml").from_template(TEMPLATE) == ()


@pytest.mark.parametrize("one", [HEAD, FRONT, MODEL])
@pytest.mark.parametrize("other", [HEAD, FRONT, MODEL])
@pytest.mark.parametrize("port", [6379, 8265, 10002, 52365, 65000])
def test_ray_s_pods_reach_each_other_on_every_port(one: str, other: str, port: int) -> None:
    assert may_reach(made(), own(made(), one), own(made(), other), port)


def test_drivers_call_the_fronts_and_nothing_else_of_ray() -> None:
    driver = own(made(), driver_owner())
    assert may_reach(made(), driver, own(made(), FRONT), 50051)
    for port in (6379, 8265, 10001, 52365):
        assert not may_reach(made(), driver, own(made(), HEAD), port)


def driver_owner() -> str:
    (job,) = made().of("Job")
    metadata = job["metadata"]
    assert isinstance(metadata, dict)
    return f"Job/{metadata['name']}"


def test_helm_test_calls_the_fronts() -> None:
    assert may_reach(made(), own(made(), "-test-generation"), own(made(), FRONT), 50051)


def test_the_scoring_service_has_no_business_there() -> None:
    scoring = own(made(), "Deployment/demo-expart-serving-scoring")
    for port in (50051, 6379, 8265):
        assert not may_reach(made(), scoring, own(made(), FRONT), port)


def test_only_the_operator_reaches_the_dashboard_and_only_that() -> None:
    assert may_reach(made(), OPERATOR, own(made(), HEAD), 8265)
    assert not may_reach(made(), OPERATOR, own(made(), HEAD), 6379)
    assert not may_reach(made(), OPERATOR, own(made(), MODEL), 8265)
    assert not may_reach(made(), APPLICATION, own(made(), HEAD), 8265)


def test_prometheus_reads_metrics_and_nothing_else() -> None:
    assert may_reach(made(), PROMETHEUS, own(made(), FRONT), 9464)
    for pod in (HEAD, FRONT, MODEL):
        assert may_reach(made(), PROMETHEUS, own(made(), pod), 8080)
        assert not may_reach(made(), PROMETHEUS, own(made(), pod), 50051)
    nobody = made(prometheus=[])
    assert not may_reach(nobody, PROMETHEUS, own(nobody, FRONT), 9464)


def test_callers_that_the_values_name_reach_the_fronts() -> None:
    peer: Manifest = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "museum"}}
    }
    named = made(clients={"generation": [peer]})
    assert may_reach(named, APPLICATION, own(named, FRONT), 50051)
    assert not may_reach(named, APPLICATION, own(named, FRONT), 6379)
    assert not may_reach(made(), APPLICATION, own(made(), FRONT), 50051)


def test_weights_come_from_the_hub_unless_nowhere_is_said() -> None:
    hub = Peer(address="18.0.0.1")
    assert may_reach(made(), own(made(), MODEL), hub, 443)
    assert not may_reach(made(), own(made(), MODEL), hub, 80)
    closed = made(hub={"to": []})
    assert not may_reach(closed, own(closed, MODEL), hub, 443)


def test_only_the_head_s_autoscaler_reaches_the_kubernetes_api() -> None:
    api = Peer(address="10.96.0.1")
    scaled = render(DEMO, values={"generation": {"autoscaling": {"enabled": True}}})
    assert may_reach(scaled, own(scaled, HEAD), api, 443)
    for pod in (FRONT, MODEL):
        assert not may_reach(scaled, own(scaled, pod), api, 443)
        assert not may_reach(scaled, own(scaled, pod), api, 6443)
    # The demo has none.
    assert not may_reach(made(), own(made(), HEAD), api, 443)


def test_further_rules_are_taken() -> None:
    redis: Manifest = {
        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "data"}}}],
        "ports": [{"protocol": "TCP", "port": 6379}],
    }
    more = made(extraEgress={"generation": [redis]})
    assert may_reach(more, own(more, HEAD), Peer({"app": "redis"}, "data"), 6379)
