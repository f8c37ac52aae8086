"""Helm 3 and Helm 4 take the chart, and make the same of it."""

from tests.helm.chart import (
    CHART,
    FULL_NAME,
    VALUE_FILES,
    Manifest,
    Rendered,
    labels_of,
    mapping_at,
    name_of,
    render,
    run_helm,
    value_options,
)
from tests.helm.pods import pod_templates

SCENARIOS = {
    "cpu-demo-values.yaml",
    "many-models-values.yaml",
    "scoring-only-values.yaml",
    "secured-values.yaml",
    "single-gpu-node-values.yaml",
}


def test_there_is_a_values_file_for_each_scenario() -> None:
    assert set(VALUE_FILES) == SCENARIOS


def test_the_chart_is_linted_strictly(helm: str, values_file: str) -> None:
    done = run_helm(helm, "lint", str(CHART), "--strict", *value_options(values_file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_chart_is_linted_strictly_without_values(helm: str) -> None:
    done = run_helm(helm, "lint", str(CHART), "--strict")
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_helms_render_the_same(values_file: str) -> None:
    three, four = render(values_file, helm="helm3"), render(values_file, helm="helm4")
    assert list(three) == list(four)


def test_rendering_twice_gives_the_same_text(values_file: str) -> None:
    # What is random or tells the time would replace pods at every upgrade.
    done = [
        run_helm("helm4", "template", "demo", str(CHART), *value_options(values_file))
        for _ in range(2)
    ]
    assert done[0].stdout == done[1].stdout
    assert done[0].stdout


def test_no_two_objects_have_one_name(rendered: Rendered) -> None:
    names = [(item["apiVersion"], item["kind"], name_of(item)) for item in rendered]
    assert len(set(names)) == len(names)


def test_every_object_has_the_recommended_labels(rendered: Rendered) -> None:
    for item in rendered:
        labels = labels_of(item)
        assert labels["app.kubernetes.io/name"] == "expart-serving", name_of(item)
        assert labels["app.kubernetes.io/instance"] == "demo", name_of(item)
        assert labels["app.kubernetes.io/part-of"] == "expart-serving", name_of(item)
        assert labels["app.kubernetes.io/managed-by"] == "Helm", name_of(item)
        assert labels["app.kubernetes.io/version"], name_of(item)


def test_every_pod_has_the_labels_that_select_it(rendered: Rendered) -> None:
    for pod in pod_templates(rendered):
        # Their name is not among them: KubeRay calls its own kuberay.
        assert pod.labels["app.kubernetes.io/part-of"] == "expart-serving", pod.owner
        assert pod.labels["app.kubernetes.io/instance"] == "demo", pod.owner
        assert pod.labels["app.kubernetes.io/component"], pod.owner


def test_objects_lie_in_the_namespace_of_the_release(rendered: Rendered) -> None:
    # Written out, or left to Helm, which puts them there.
    for item in rendered:
        assert mapping_at(item, "metadata").get("namespace", "expart") == "expart", name_of(item)


def test_a_long_release_name_leaves_names_that_kubernetes_takes(values_file: str) -> None:
    # Helm takes 53 characters; names of Services and values of labels have at most 63.
    long = render(values_file, release="r" * 53)
    for item in long:
        name = name_of(item)
        # A Job's pods and a RayService's clusters and Services are named after them.
        most = {"Job": 57, "RayService": 47}.get(str(item["kind"]), 63)
        assert len(name) <= most, f"{item['kind']} {name}"
        assert not name.endswith("-"), name
        assert all(len(value) <= 63 for value in labels_of(item).values()), name


def test_labels_are_put_on_every_object(values_file: str) -> None:
    more: Manifest = {"commonLabels": {"team": "art"}}
    for item in render(values_file, values=more):
        assert labels_of(item)["team"] == "art", name_of(item)


def test_a_full_name_replaces_that_of_the_release(values_file: str) -> None:
    for item in render(values_file, values={"fullnameOverride": "short"}):
        assert name_of(item).startswith("short"), name_of(item)
    for item in render(values_file):
        assert name_of(item).startswith(FULL_NAME), name_of(item)


def test_notes_say_what_was_installed_and_how_to_test_it(values_file: str) -> None:
    # Helm 3 asks a cluster even for this.
    done = run_helm(
        "helm4",
        *("install", "demo", str(CHART), "--dry-run=client", "--namespace", "expart"),
        *value_options(values_file),
    )
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:")[2]
    assert "is installed as demo in expart" in notes, done.stdout[-2000:]
    assert "helm test demo -n expart" in notes
