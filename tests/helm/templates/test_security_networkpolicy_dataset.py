"""With whom the Job talks that fills the dataset's volume."""

from pydantic import JsonValue

from tests.helm.chart import Manifest, Rendered, name_of, render
from tests.helm.network import Peer, may_reach, own

TEMPLATE = "security/networkpolicy-dataset.yaml"
DEMO = "cpu-demo-values.yaml"
PREPARED: Manifest = {
    "sweep": {"dataset": {"prepare": {"enabled": True, "contact": "you@example.org"}}}
}


def test_there_is_none_without_such_a_job() -> None:
    assert render(DEMO).from_template(TEMPLATE) == ()
    assert (
        render(DEMO, values={**PREPARED, "networkPolicy": {"enabled": False}}).from_template(
            TEMPLATE
        )
        == ()
    )


def test_it_reaches_the_servers_of_pictures_and_nothing_in_the_cluster() -> None:
    made = render(DEMO, values=PREPARED)
    (job,) = made.from_template("sweep/dataset-job.yaml")
    preparing = own(made, f"Job/{name_of(job)}")
    for port in (80, 443):
        assert may_reach(made, preparing, Peer(address="18.0.0.1"), port)
        assert not may_reach(made, preparing, Peer(address="10.96.0.1"), port)
    assert not may_reach(made, preparing, own(made, " front"), 50051)
    assert not may_reach(made, own(made, " front"), preparing, 80)


def test_a_hub_of_one_s_own_is_reached_at_its_port_and_nowhere_is_nowhere() -> None:
    def preparing(**hub: JsonValue) -> tuple[Rendered, Peer]:
        made = render(DEMO, values={**PREPARED, "networkPolicy": {"hub": hub}})
        (job,) = made.from_template("sweep/dataset-job.yaml")
        return made, own(made, f"Job/{name_of(job)}")

    made, pod = preparing(to=[{"ipBlock": {"cidr": "10.1.2.3/32"}}], ports=[8443, 443])
    assert may_reach(made, pod, Peer(address="10.1.2.3"), 8443)
    # To Kubernetes a rule with an empty list of peers is of everybody.
    made, pod = preparing(to=[])
    for port in (80, 443):
        assert not may_reach(made, pod, Peer(address="18.0.0.1"), port)
