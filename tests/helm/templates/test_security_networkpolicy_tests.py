"""With whom the pods of helm test talk."""

from tests.helm.chart import Manifest, render
from tests.helm.network import Peer, may_reach, own

TEMPLATE = "security/networkpolicy-tests.yaml"
DEMO = "cpu-demo-values.yaml"


def test_there_is_none_where_policies_are_disabled() -> None:
    values: Manifest = {"networkPolicy": {"enabled": False}}
    assert render(DEMO, values=values).from_template(TEMPLATE) == ()


def test_nobody_talks_to_them_and_they_talk_to_the_services_alone() -> None:
    made = render(DEMO)
    for name in ("-test-generation", "-test-scoring"):
        tester = own(made, name)
        assert may_reach(made, tester, own(made, " front"), 50051)
        assert not may_reach(made, tester, own(made, " head"), 8265)
        assert not may_reach(made, tester, Peer(address="18.0.0.1"), 443)
        assert not may_reach(made, own(made, " front"), tester, 80)
