"""Who may reach whom by the chart's NetworkPolicies, as Kubernetes reads them.

A pod that some policy selects for a direction is closed in that direction but for what any policy
lets through; both ends must agree.
https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.helm.chart import Manifest, Rendered, list_at, mapping_at
from tests.helm.pods import pod_templates

_NAMESPACE_NAME = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of a connection: a pod, or an address outside of the cluster.

    Attributes:
        labels: Of the pod.
        namespace_name: Where it runs; empty for an address.
        address: The address, where it is no pod.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace_name: str = ""
    address: str = ""


def own(rendered: Rendered, owner: str) -> Peer:
    """A pod of the release, with the labels that KubeRay adds to its own."""
    (pod,) = [item for item in pod_templates(rendered) if item.owner.endswith(owner)]
    labels = dict(pod.labels)
    if pod.owner.startswith("RayService/"):
        is_head = pod.owner.endswith(" head")
        labels |= {"ray.io/node-type": "head" if is_head else "worker"}
    return Peer(labels, "expart")


def may_reach(
    rendered: Rendered, source: Peer, target: Peer, port: int, protocol: str = "TCP"
) -> bool:
    """Whether a connection is let through, at both ends."""
    leaves = _is_let_through(rendered, source, target, (port, protocol), "Egress")
    return leaves and _is_let_through(rendered, target, source, (port, protocol), "Ingress")


def _is_let_through(
    rendered: Rendered, one: Peer, other: Peer, port: tuple[int, str], direction: str
) -> bool:
    """Whether the policies of one end let the other in or be reached."""
    if one.namespace_name != "expart":
        return True  # others' policies are no matter of the chart
    policies = [
        item
        for item in rendered.of("NetworkPolicy")
        if direction in (mapping_at(item, "spec").get("policyTypes") or [])  # type: ignore[operator]
        and _selects(mapping_at(item, "spec", "podSelector"), one.labels)
    ]
    if not policies:
        return True
    rules, peers = ("egress", "to") if direction == "Egress" else ("ingress", "from")
    return any(
        _rule_fits(rule, peers, other, port)
        for policy in policies
        for rule in list_at(policy, "spec", rules)
    )


def _rule_fits(rule: Manifest, key: str, other: Peer, port: tuple[int, str]) -> bool:
    # A rule without peers, or with an empty list of them, is of everybody; the same for ports.
    peers, ports = list_at(rule, key), list_at(rule, "ports")
    fits_port = not ports or any((one["port"], one.get("protocol", "TCP")) == port for one in ports)
    return fits_port and (not peers or any(_is_peer(peer, other) for peer in peers))


def _is_peer(peer: Manifest, other: Peer) -> bool:
    if "ipBlock" in peer:
        block = mapping_at(peer, "ipBlock")
        if not other.address:
            return False
        excepted = block.get("except") or []
        assert isinstance(excepted, list)
        return _lies_in(other.address, str(block["cidr"])) and not any(
            _lies_in(other.address, str(one)) for one in excepted
        )
    if other.address:
        return False
    if "namespaceSelector" in peer:
        names = {_NAMESPACE_NAME: other.namespace_name}
        if not _selects(mapping_at(peer, "namespaceSelector"), names):
            return False
    elif other.namespace_name != "expart":
        return False
    return "podSelector" not in peer or _selects(mapping_at(peer, "podSelector"), other.labels)


def _lies_in(address: str, block: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(block)


def _selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    assert not selector.keys() - {"matchLabels"}, f"not understood: {selector}"
    wanted = {name: str(value) for name, value in mapping_at(selector, "matchLabels").items()}
    return wanted.items() <= labels.items()
