"""Who talks to the scoring service, and with whom it talks."""

from pydantic import JsonValue

from tests.helm.chart import Manifest, Rendered, name_of, render
from tests.helm.network import Peer, may_reach, own

TEMPLATE = "security/networkpolicy-scoring.yaml"
DEMO = "cpu-demo-values.yaml"
SCORING = "Deployment/demo-expart-serving-scoring"
PROMETHEUS = Peer({"app": "prometheus"}, "monitoring")
HUB = Peer(address="18.0.0.1")


def made(scoring: Manifest | None = None, **policy: JsonValue) -> Rendered:
    return render(DEMO, values={"networkPolicy": policy, "scoring": scoring or {}})


def test_there_is_none_where_scoring_is_disabled() -> None:
    values: Manifest = {
        "scoring": {"enabled": False},
        "sweep": {"scoringAddress": "scoring.example:50061"},
    }
    assert render(DEMO, values=values).from_template(TEMPLATE) == ()


def test_drivers_and_helm_test_have_texts_scored() -> None:
    (job,) = made().of("Job")
    for owner in (f"Job/{name_of(job)}", "-test-scoring"):
        assert may_reach(made(), own(made(), owner), own(made(), SCORING), 50061)
        assert not may_reach(made(), own(made(), owner), own(made(), SCORING), 50062)


def test_models_have_no_business_there() -> None:
    for pod in (" head", " front", " cpu"):
        assert not may_reach(made(), own(made(), pod), own(made(), SCORING), 50061)


def test_prometheus_reads_metrics_and_nothing_else() -> None:
    assert may_reach(made(), PROMETHEUS, own(made(), SCORING), 9465)
    assert not may_reach(made(), PROMETHEUS, own(made(), SCORING), 50061)


def test_callers_that_the_values_name_have_texts_scored() -> None:
    caller = Peer({"app": "guide"}, "expart")
    peer: Manifest = {"podSelector": {"matchLabels": {"app": "guide"}}}
    named = made(clients={"scoring": [peer]})
    assert may_reach(named, caller, own(named, SCORING), 50061)
    assert not may_reach(made(), caller, own(made(), SCORING), 50061)


def test_only_an_encoder_that_is_to_be_downloaded_opens_the_way_to_the_hub() -> None:
    assert not may_reach(made(), own(made(), SCORING), HUB, 443)
    loading = made({"encoder": {"model": "roberta-large"}})
    assert may_reach(loading, own(loading, SCORING), HUB, 443)
    cached = made({"encoder": {"model": "roberta-large", "localFilesOnly": True}})
    assert not may_reach(cached, own(cached, SCORING), HUB, 443)
