"""With whom the Job talks that fills the dataset's volume."""

from tests.helm.chart import Manifest, name_of, render
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
