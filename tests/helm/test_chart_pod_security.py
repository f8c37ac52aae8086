"""Pods keep to the restricted Pod Security Standard, and to a little more."""

from tests.helm.chart import Manifest, Rendered, list_at, mapping_at
from tests.helm.pods import PodTemplate, pod_templates

# https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def effective(pod: PodTemplate, container: Manifest, key: str) -> object:
    """A setting of a container's security context, or else that of its pod."""
    own = mapping_at(container, "securityContext")
    return own.get(key, mapping_at(pod.spec, "securityContext").get(key))


def test_no_container_runs_as_root(rendered: Rendered) -> None:
    for pod in pod_templates(rendered):
        for container in pod.containers:
            assert effective(pod, container, "runAsNonRoot") is True, pod.owner
            user = effective(pod, container, "runAsUser")
            assert user is None or (isinstance(user, int) and user > 0), pod.owner


def test_no_container_gains_privileges(rendered: Rendered) -> None:
    for pod in pod_templates(rendered):
        for container in pod.containers:
            own = mapping_at(container, "securityContext")
            assert own["allowPrivilegeEscalation"] is False, pod.owner
            assert own.get("privileged", False) is False, pod.owner
            assert own["capabilities"] == {"drop": ["ALL"]}, pod.owner
            profile = effective(pod, container, "seccompProfile")
            assert profile == {"type": "RuntimeDefault"}, pod.owner


def test_no_pod_shares_anything_of_its_node(rendered: Rendered) -> None:
    for pod in pod_templates(rendered):
        for name in ("hostNetwork", "hostPID", "hostIPC"):
            assert not pod.spec.get(name, False), f"{pod.owner}: {name}"
        for volume in list_at(pod.spec, "volumes"):
            (kind,) = volume.keys() - {"name"}
            assert kind in VOLUMES, f"{pod.owner}: {kind}"
        for container in pod.containers:
            for port in list_at(container, "ports"):
                assert "hostPort" not in port, pod.owner


def test_no_container_writes_to_its_image(rendered: Rendered) -> None:
    for pod in pod_templates(rendered):
        for container in pod.containers:
            own = mapping_at(container, "securityContext")
            assert own["readOnlyRootFilesystem"] is True, pod.owner
            mounts = {str(mount["mountPath"]) for mount in list_at(container, "volumeMounts")}
            assert "/tmp" in mounts, f"{pod.owner}: {container['name']}: {mounts}"


def test_no_pod_may_talk_to_kubernetes_unless_it_must(rendered: Rendered) -> None:
    for pod in pod_templates(rendered):
        # The head's autoscaler changes the number of workers.
        if pod.owner.endswith(" head"):
            continue
        assert pod.spec["automountServiceAccountToken"] is False, pod.owner


def test_images_have_a_fixed_tag(rendered: Rendered) -> None:
    for pod in pod_templates(rendered):
        for container in pod.containers:
            name, _, tag = str(container["image"]).rpartition(":")
            assert name, f"{pod.owner}: {tag} has no tag"
            assert tag not in ("", "latest"), f"{pod.owner}: {container['image']}"
