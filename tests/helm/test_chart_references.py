"""What one object names of another is there: labels, ports, Secrets, volumes, accounts."""

from collections.abc import Iterator

from pydantic import JsonValue

from tests.helm.chart import (
    CHART,
    Manifest,
    Rendered,
    at,
    labels_of,
    list_at,
    mapping_at,
    name_of,
)
from tests.helm.pods import PodTemplate, pod_templates

# KubeRay puts these on its pods, beside those of their template.
_OF_KUBERAY = "ray.io/"
# Of Ray's agent; KubeRay's own probes ask it, too, and declare no port.
_AGENT_PORT = 52365


def pods_of(rendered: Rendered, selector: Manifest) -> list[PodTemplate]:
    """The pods that a label selector finds; KubeRay's own labels are not known here."""
    wanted = {
        name: str(value)
        for name, value in mapping_at(selector, "matchLabels").items()
        if not name.startswith(_OF_KUBERAY)
    }
    return [
        pod
        for pod in pod_templates(rendered)
        if wanted.items() <= pod.labels.items()
        and all(meets(pod.labels, rule) for rule in list_at(selector, "matchExpressions"))
    ]


def meets(labels: dict[str, str], rule: Manifest) -> bool:
    """Whether labels meet one expression of a selector."""
    name, operator = str(rule["key"]), rule["operator"]
    if name.startswith(_OF_KUBERAY):
        return True
    values = rule.get("values") or []
    assert isinstance(values, list)
    if operator == "In":
        return labels.get(name) in values
    if operator == "NotIn":
        return labels.get(name) not in values
    return (name in labels) == (operator == "Exists")


def services(rendered: Rendered) -> Iterator[Manifest]:
    """Every Service, those that a RayService asks for included."""
    yield from rendered.of("Service")
    for item in rendered.of("RayService"):
        found = mapping_at(item, "spec", "serveService")
        if found:
            yield found


def selected_ports(rendered: Rendered, selector: JsonValue) -> set[int | str]:
    """Names and numbers of the ports that selected pods have."""
    assert isinstance(selector, dict)
    found: set[int | str] = set()
    for pod in pods_of(rendered, {"matchLabels": selector}):
        for container in pod.containers:
            for port in list_at(container, "ports"):
                found |= {str(port.get("name")), int(str(port["containerPort"]))}
    return found


def test_services_lead_to_ports_of_pods(rendered: Rendered) -> None:
    for service in services(rendered):
        selector = at(service, "spec", "selector")
        ports = selected_ports(rendered, selector)
        for port in list_at(service, "spec", "ports"):
            target = port.get("targetPort", port["port"])
            assert target in ports, f"{name_of(service)}: {target} is none of {ports}"


def test_probes_ask_ports_that_the_container_has(rendered: Rendered) -> None:
    for pod in pod_templates(rendered):
        for container in pod.containers:
            ports = list_at(container, "ports")
            numbers = {_AGENT_PORT, *(port["containerPort"] for port in ports)}
            names = {port.get("name") for port in ports}
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = mapping_at(container, kind)
                for way in ("grpc", "httpGet", "tcpSocket"):
                    if way in probe:
                        asked = at(probe, way, "port")
                        known = numbers if way == "grpc" else numbers | names
                        assert asked in known, f"{pod.owner}: {kind} asks {asked}, not of {known}"


def test_workloads_select_their_own_pods(rendered: Rendered) -> None:
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        for item in rendered.of(kind):
            found = pods_of(rendered, mapping_at(item, "spec", "selector"))
            assert [pod.owner for pod in found] == [f"{kind}/{name_of(item)}"]


def test_disruption_budgets_are_of_pods(rendered: Rendered) -> None:
    for item in rendered.of("PodDisruptionBudget"):
        assert pods_of(rendered, mapping_at(item, "spec", "selector")), name_of(item)


def test_pods_are_spread_by_labels_that_they_have(rendered: Rendered) -> None:
    for pod in pod_templates(rendered):
        for rule in list_at(pod.spec, "topologySpreadConstraints"):
            found = pods_of(rendered, mapping_at(rule, "labelSelector"))
            assert pod.owner in [one.owner for one in found], pod.owner


def test_autoscalers_scale_what_is_there_and_what_names_no_number_itself(
    rendered: Rendered,
) -> None:
    for item in [*rendered.of("HorizontalPodAutoscaler"), *rendered.of("ScaledObject")]:
        target = mapping_at(item, "spec", "scaleTargetRef")
        scaled = rendered.get(str(target.get("kind", "Deployment")), str(target["name"]))
        # Every upgrade would set the number back.
        assert "replicas" not in mapping_at(scaled, "spec"), name_of(item)


def test_monitors_find_services_or_pods_and_ports_of_theirs(rendered: Rendered) -> None:
    for item in rendered.of("ServiceMonitor"):
        selector = mapping_at(item, "spec", "selector")
        wanted = {name: str(value) for name, value in mapping_at(selector, "matchLabels").items()}
        found = [one for one in services(rendered) if wanted.items() <= labels_of(one).items()]
        assert found, f"{name_of(item)} finds no Service"
        for endpoint in list_at(item, "spec", "endpoints"):
            for service in found:
                names = {port.get("name") for port in list_at(service, "spec", "ports")}
                assert endpoint["port"] in names, f"{name_of(item)}: {service['metadata']}"
    for item in rendered.of("PodMonitor"):
        pods = pods_of(rendered, mapping_at(item, "spec", "selector"))
        assert pods, f"{name_of(item)} finds no pods"
        names = {name for pod in pods for name in pod.port_names}
        for endpoint in list_at(item, "spec", "podMetricsEndpoints"):
            assert endpoint["port"] in names, f"{name_of(item)}: {endpoint['port']} of {names}"


def test_network_policies_are_of_pods_of_ours(rendered: Rendered) -> None:
    for item in rendered.of("NetworkPolicy"):
        selector = mapping_at(item, "spec", "podSelector")
        assert pods_of(rendered, selector), f"{name_of(item)} is of no pods"


def test_what_pods_mount_is_a_volume_of_theirs(rendered: Rendered) -> None:
    for pod in pod_templates(rendered):
        volumes = {str(volume["name"]) for volume in list_at(pod.spec, "volumes")}
        mounted = {
            str(mount["name"])
            for container in pod.containers
            for mount in list_at(container, "volumeMounts")
        } | pod.mounted_elsewhere
        assert mounted == volumes, f"{pod.owner}: mounted {mounted}, volumes {volumes}"


def test_no_two_mounts_of_a_container_lie_at_one_place(rendered: Rendered) -> None:
    for pod in pod_templates(rendered):
        for container in pod.containers:
            places = [mount["mountPath"] for mount in list_at(container, "volumeMounts")]
            assert len(set(places)) == len(places), f"{pod.owner}: {places}"


def test_no_variable_is_set_twice(rendered: Rendered) -> None:
    for pod in pod_templates(rendered):
        for container in pod.containers:
            names = [str(item["name"]) for item in list_at(container, "env")]
            assert len(set(names)) == len(names), f"{pod.owner}: {sorted(names)}"


def test_config_maps_claims_and_accounts_that_pods_name_are_rendered(
    values_file: str, rendered: Rendered
) -> None:
    there = {(str(item["kind"]), name_of(item)) for item in rendered}
    for pod in pod_templates(rendered):
        for kind, name in named_by(pod):
            is_given = kind == "PersistentVolumeClaim" and name in said_in(values_file)
            assert is_given or (kind, name) in there, f"{pod.owner} names {kind} {name}"


def named_by(pod: PodTemplate) -> Iterator[tuple[str, str]]:
    """What a pod cannot start without, but for Secrets, which others may make."""
    account = pod.spec.get("serviceAccountName", "default")
    if account != "default":
        yield "ServiceAccount", str(account)
    for volume in list_at(pod.spec, "volumes"):
        if "configMap" in volume:
            yield "ConfigMap", str(at(volume, "configMap", "name"))
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", str(at(volume, "persistentVolumeClaim", "claimName"))
    for container in pod.containers:
        for source in list_at(container, "envFrom"):
            if "configMapRef" in source:
                yield "ConfigMap", str(at(source, "configMapRef", "name"))


def test_secrets_are_named_in_the_values_or_made_by_cert_manager(
    values_file: str, rendered: Rendered
) -> None:
    said = said_in(values_file)
    made = {str(at(item, "spec", "secretName")) for item in rendered.of("Certificate")}
    made |= {name_of(item) for item in rendered.of("Secret")}
    for pod in pod_templates(rendered):
        for volume in list_at(pod.spec, "volumes"):
            if "secret" in volume:
                name = str(at(volume, "secret", "secretName"))
                assert name in made or name in said, f"{pod.owner} mounts {name}"


def said_in(values_file: str) -> str:
    return (CHART / "ci" / values_file).read_text(encoding="utf-8")


def test_no_secret_is_rendered(rendered: Rendered) -> None:
    # Values end up in Helm's own records, readable to whoever may read those.
    assert rendered.of("Secret") == []
