"""Who talks to the drivers of a sweep, and with whom they talk."""

from pydantic import JsonValue

from tests.helm.chart import Manifest, Rendered, name_of, render
from tests.helm.network import Peer, may_reach, own

TEMPLATE = "security/networkpolicy-sweep.yaml"
DEMO = "cpu-demo-values.yaml"
PROMETHEUS = Peer({"app": "prometheus"}, "monitoring")
STORE = Peer(address="52.0.0.1")


def made(sweep: Manifest | None = None, **policy: JsonValue) -> Rendered:
    return render(DEMO, values={"networkPolicy": policy, "sweep": sweep or {}})


def driver(rendered: Rendered) -> Peer:
    (job,) = rendered.of("Job")
    return own(rendered, f"Job/{name_of(job)}")


def test_there_is_none_where_there_is_no_sweep() -> None:
    assert made({"enabled": False}).from_template(TEMPLATE) == ()


def test_drivers_reach_an_object_store_only_where_results_go_to_one() -> None:
    assert not may_reach(made(), driver(made()), STORE, 443)
    stored = made({"results": {"url": "s3://bucket/prefix"}})
    assert may_reach(stored, driver(stored), STORE, 443)
    # One of the same cluster has to be named.
    inside = Peer({"app": "minio"}, "storage")
    assert not may_reach(stored, driver(stored), inside, 443)
    to: Manifest = {"to": [{"namespaceSelector": {}}], "ports": [9000]}
    named = made({"results": {"url": "s3://bucket/prefix"}}, objectStore=to)
    assert may_reach(named, driver(named), inside, 9000)


def test_prometheus_reads_metrics_and_nothing_else() -> None:
    assert may_reach(made(), PROMETHEUS, driver(made()), 9466)
    assert not may_reach(made(), PROMETHEUS, driver(made()), 9464)
    nobody = made(prometheus=[])
    assert not may_reach(nobody, PROMETHEUS, driver(nobody), 9466)


def test_services_of_another_release_are_reached_by_a_rule_of_the_values() -> None:
    other = Peer({"app.kubernetes.io/component": "scoring"}, "shared")
    rule: Manifest = {"to": [{"namespaceSelector": {}}], "ports": [{"port": 50061}]}
    assert not may_reach(made(), driver(made()), other, 50061)
    named = made(extraEgress={"sweep": [rule]})
    assert may_reach(named, driver(named), other, 50061)
