"""The pods that objects of the chart make, wherever an object holds their template."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.helm.chart import Manifest, Rendered, labels_of, list_at, mapping_at, name_of

_TEMPLATES = {
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Deployment": ("spec", "template"),
    "Job": ("spec", "template"),
    "Pod": (),
    "StatefulSet": ("spec", "template"),
}


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """The pods that an object makes.

    Attributes:
        owner: Kind and name of the object, and the group of a Ray cluster.
        item: The template: metadata and spec.
        mounted_elsewhere: Volumes that a container mounts which KubeRay adds: the autoscaler's.
    """

    owner: str
    item: Manifest
    mounted_elsewhere: frozenset[str] = frozenset()

    @property
    def spec(self) -> Manifest:
        return mapping_at(self.item, "spec")

    @property
    def labels(self) -> dict[str, str]:
        return labels_of(self.item)

    @property
    def containers(self) -> list[Manifest]:
        """All of them, those that run before the others included."""
        return [*list_at(self.spec, "initContainers"), *list_at(self.spec, "containers")]

    def container(self, name: str) -> Manifest:
        (found,) = [item for item in self.containers if item["name"] == name]
        return found

    @property
    def port_names(self) -> set[str]:
        return {
            str(port["name"])
            for container in self.containers
            for port in list_at(container, "ports")
            if "name" in port
        }


def pod_templates(rendered: Rendered) -> Iterator[PodTemplate]:
    """Every template of pods in what was rendered."""
    for item in rendered:
        owner = f"{item['kind']}/{name_of(item)}"
        if item["kind"] == "RayService":
            yield from ray_pods(item)
        elif (path := _TEMPLATES.get(str(item["kind"]))) is not None:
            yield PodTemplate(owner, mapping_at(item, *path) if path else item)


def ray_pods(service: Manifest) -> Iterator[PodTemplate]:
    """The pods of a RayService: the head, and those of each group of workers."""
    owner = f"RayService/{name_of(service)}"
    cluster = mapping_at(service, "spec", "rayClusterConfig")
    autoscaler = list_at(cluster, "autoscalerOptions", "volumeMounts")
    yield PodTemplate(
        f"{owner} head",
        mapping_at(cluster, "headGroupSpec", "template"),
        frozenset(str(mount["name"]) for mount in autoscaler),
    )
    for group in list_at(cluster, "workerGroupSpecs"):
        yield PodTemplate(f"{owner} {group['groupName']}", mapping_at(group, "template"))


def environment_of(container: Manifest) -> dict[str, str]:
    """The variables of a container that have a value of their own."""
    return {
        str(item["name"]): str(item["value"])
        for item in list_at(container, "env")
        if "value" in item
    }
