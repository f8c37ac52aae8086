"""What the chart renders is valid for every version of Kubernetes that it takes."""

import pytest

from tests.helm.chart import Manifest, RefusedError, list_at, name_of, render
from tests.helm.crd_schemas import has_definitions
from tests.helm.kubernetes_schemas import VERSIONS, UnknownKindError, violations
from tests.helm.pods import pod_templates

BUILT_IN = {"apps/v1", "autoscaling/v2", "batch/v1", "networking.k8s.io/v1", "policy/v1", "v1"}
BUILT_IN |= {"rbac.authorization.k8s.io/v1"}


def is_checked(item: Manifest) -> bool:
    """Whether an object can be checked: definitions of others may not be here."""
    return has_definitions() or item["apiVersion"] in BUILT_IN


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(values_file: str, version: str) -> None:
    found = {
        f"{item['kind']} {name_of(item)}": wrong
        for item in render(values_file, kubernetes=f"{version}.0")
        if is_checked(item) and (wrong := violations(item, version))
    }
    assert found == {}


@pytest.mark.skipif(
    not has_definitions(), reason="the custom resource definitions of others are not here"
)
def test_custom_resources_are_among_what_is_checked() -> None:
    kinds = {item["kind"] for item in render("secured-values.yaml")}
    assert {"RayService", "Certificate", "ServiceMonitor", "PodMonitor", "PrometheusRule"} <= kinds


def test_an_older_kubernetes_is_refused(helm: str) -> None:
    with pytest.raises(RefusedError, match="incompatible with Kubernetes"):
        render("cpu-demo-values.yaml", helm=helm, kubernetes="1.27.0")


def test_builds_of_cloud_providers_are_taken() -> None:
    assert list(render("cpu-demo-values.yaml", kubernetes="1.33.5-gke.100"))


def test_the_check_finds_wrong_fields_and_unknown_kinds() -> None:
    service = next(item for item in render("scoring-only-values.yaml").of("Service"))
    assert violations(service, "1.33") == []
    (wrong,) = violations({**service, "sepc": {}}, "1.33")
    assert "sepc" in wrong
    with pytest.raises(UnknownKindError):
        violations({**service, "kind": "Servise"}, "1.33")
    with pytest.raises(UnknownKindError):
        violations({**service, "apiVersion": "ray.io/v9", "kind": "RayService"}, "1.33")


def test_durations_and_amounts_are_written_as_kubernetes_reads_them(values_file: str) -> None:
    # Schemas say only that they are texts.
    for pod in pod_templates(render(values_file)):
        for container in pod.containers:
            resources = container.get("resources")
            assert isinstance(resources, dict), f"{pod.owner}: {container['name']}"
            for kind in ("requests", "limits"):
                amounts = resources.get(kind, {})
                assert isinstance(amounts, dict)
                for name, amount in amounts.items():
                    assert is_amount(str(amount)), f"{pod.owner}: {kind}.{name}: {amount}"


def is_amount(text: str) -> bool:
    number = text.rstrip("kMGTPEim")
    suffix = text[len(number) :]
    known = suffix in ("", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
    return known and number.replace(".", "", 1).isdigit()


def test_every_container_says_what_it_needs(values_file: str) -> None:
    for pod in pod_templates(render(values_file)):
        for container in list_at(pod.spec, "containers"):
            resources = container["resources"]
            assert isinstance(resources, dict)
            requests, limits = resources.get("requests"), resources.get("limits")
            assert isinstance(requests, dict), f"{pod.owner}: {container['name']}"
            assert isinstance(limits, dict), f"{pod.owner}: {container['name']}"
            assert {"cpu", "memory"} <= requests.keys(), f"{pod.owner}: {container['name']}"
            assert "memory" in limits, f"{pod.owner}: {container['name']}"
