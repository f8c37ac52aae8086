"""Nothing goes in or out of the release's pods but what is needed."""

from tests.helm.chart import Manifest, mapping_at, render
from tests.helm.network import Peer, may_reach, own
from tests.helm.pods import pod_templates

TEMPLATE = "security/networkpolicy-deny.yaml"
DEMO = "cpu-demo-values.yaml"
MANY = "many-models-values.yaml"
STRANGER = Peer({"app": "stranger"}, "elsewhere")
NEIGHBOUR = Peer({"app": "neighbour"}, "expart")
DNS = Peer({"k8s-app": "kube-dns"}, "kube-system")
PORTS = (22, 80, 443, 6379, 8080, 8265, 9464, 9465, 9466, 10001, 50051, 50052, 50061, 50062)


def test_there_is_none_where_policies_are_disabled() -> None:
    values: Manifest = {"networkPolicy": {"enabled": False}}
    made = render(DEMO, values=values)
    assert made.from_template(TEMPLATE) == ()
    assert made.of("NetworkPolicy") == []


def test_strangers_and_neighbours_reach_no_pod_on_any_port() -> None:
    made = render(DEMO)
    for pod in pod_templates(made):
        target = own(made, pod.owner)
        for stranger in (STRANGER, NEIGHBOUR, Peer(address="8.8.8.8")):
            open_ports = [port for port in PORTS if may_reach(made, stranger, target, port)]
            assert open_ports == [], f"{pod.owner} from {stranger}"


def test_every_pod_looks_names_up_and_nowhere_but_there() -> None:
    made = render(DEMO)
    for pod in pod_templates(made):
        source = own(made, pod.owner)
        assert may_reach(made, source, DNS, 53, "UDP"), pod.owner
        assert may_reach(made, source, DNS, 53, "TCP"), pod.owner
        assert not may_reach(made, source, DNS, 443), pod.owner
        assert not may_reach(made, source, STRANGER, 53, "UDP"), pod.owner


def test_no_pod_reaches_the_addresses_of_a_cloud_s_own_services() -> None:
    # 169.254.169.254 hands the node's credentials to whoever asks.
    made = render(DEMO)
    metadata = Peer(address="169.254.169.254")
    for pod in pod_templates(made):
        if pod.owner.endswith(" head"):
            continue  # the autoscaler may go wherever the Kubernetes API is
        for port in (80, 443):
            assert not may_reach(made, own(made, pod.owner), metadata, port), pod.owner


def test_it_selects_every_pod_of_the_release() -> None:
    for item in render(DEMO).from_template(TEMPLATE):
        selector = mapping_at(item, "spec", "podSelector", "matchLabels")
        for pod in pod_templates(render(DEMO)):
            assert selector.items() <= pod.labels.items(), pod.owner


def test_an_empty_list_lets_nobody_through() -> None:
    # To Kubernetes a rule without peers is of everybody.
    empty: Manifest = {
        "dns": {"to": []},
        "hub": {"to": []},
        "objectStore": {"to": []},
        "kubernetesApi": {"to": []},
        "kuberayOperator": {"from": []},
        "prometheus": [],
    }
    values: Manifest = {
        "networkPolicy": empty,
        "sweep": {"dataset": {"prepare": {"enabled": True, "contact": "you@example.org"}}},
    }
    for made in (render(DEMO, values=values), render(MANY, values={"networkPolicy": empty})):
        for pod in pod_templates(made):
            one = own(made, pod.owner)
            for other in (STRANGER, NEIGHBOUR, DNS, Peer(address="8.8.8.8")):
                for port in (*PORTS, 53):
                    assert not may_reach(made, one, other, port), (pod.owner, other, port)
                    assert not may_reach(made, other, one, port), (pod.owner, other, port)
