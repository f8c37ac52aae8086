"""An upgrade changes what was changed, and nothing else: each line costs a restart somewhere."""

import copy
import difflib

import pytest
import yaml

from tests.helm.chart import (
    CHART,
    Manifest,
    Rendered,
    at,
    list_at,
    mapping_at,
    name_of,
    render,
)
from tests.helm.pods import pod_templates

DEMO = "cpu-demo-values.yaml"
MANY = "many-models-values.yaml"


def values_of(file: str) -> Manifest:
    found = yaml.safe_load((CHART / "ci" / file).read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def changed_lines(before: Rendered, after: Rendered) -> list[tuple[str, str]]:
    """Lines that differ, as they were and as they are."""
    old, new = before.text.splitlines(), after.text.splitlines()
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    found = []
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind != "equal":
            assert i2 - i1 == j2 - j1, f"{old[i1:i2]} became {new[j1:j2]}"
            pairs = zip(old[i1:i2], new[j1:j2], strict=True)
            found += [(one.strip(" -"), other.strip(" -")) for one, other in pairs]
    return found


def changed_objects(before: Rendered, after: Rendered) -> set[str]:
    """Kind and name of what was changed, added or removed."""
    old = {(str(one["kind"]), name_of(one)): one for one in before}
    new = {(str(one["kind"]), name_of(one)): one for one in after}
    return {f"{key[0]}/{key[1]}" for key in old.keys() | new.keys() if old.get(key) != new.get(key)}


def test_how_one_model_scales_changes_two_lines_of_serve_s_config() -> None:
    # One tells the front how many calls may be let in, the other is the deployment's own option.
    models = copy.deepcopy(list_at(values_of(MANY), "models"))
    scaling = mapping_at(models[0], "scaling")
    before = int(str(scaling.get("max_ongoing_requests", 32)))
    models[0]["scaling"] = {**scaling, "max_ongoing_requests": before}
    first = render(MANY, values={"models": list(models)})
    models[0]["scaling"] = {**scaling, "max_ongoing_requests": before + 1}
    second = render(MANY, values={"models": list(models)})
    line = "max_ongoing_requests: {}"
    assert changed_lines(first, second) == [(line.format(before), line.format(before + 1))] * 2
    assert changed_objects(first, second) == {f"RayService/{name_of(first.only('RayService'))}"}


def test_how_models_scale_changes_nothing_that_replaces_the_cluster() -> None:
    first = render(DEMO)
    models = copy.deepcopy(list_at(values_of(DEMO), "models"))
    models[0]["scaling"] = {"min_replicas": 1, "max_replicas": 3}
    second = render(DEMO, values={"models": list(models)})
    old, new = first.only("RayService"), second.only("RayService")
    assert at(old, "spec", "rayClusterConfig") == at(new, "spec", "rayClusterConfig")
    assert at(old, "spec", "serveConfigV2") != at(new, "spec", "serveConfigV2")


def test_another_tag_changes_images_alone() -> None:
    first = render(DEMO, values={"image": {"tag": "1.0.0"}})
    second = render(DEMO, values={"image": {"tag": "1.0.1"}})
    lines = changed_lines(first, second)
    own = [line for line in lines if not is_name_of_a_job(line)]
    assert own
    for old, new in own:
        assert old.startswith("image: "), old
        assert new == old.replace("1.0.0", "1.0.1")


def is_name_of_a_job(line: tuple[str, str]) -> bool:
    # A Job cannot change its pods, so a changed one gets another name.
    return all(one.startswith("name: demo-expart-serving-sweep-") for one in line)


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ({"scoring": {"resources": {"requests": {"cpu": "3"}}}}, {"Deployment"}),
        ({"scoring": {"autoscaling": {"maxReplicas": 17}}}, {"HorizontalPodAutoscaler"}),
        ({"scoring": {"settings": {"max_wait_s": 0.7}}}, {"Deployment"}),
        ({"generation": {"front": {"settings": {"drain_s": 11}}}}, {"RayService"}),
    ],
)
def test_a_value_changes_only_the_object_that_it_is_about(
    values: Manifest, kinds: set[str]
) -> None:
    base: Manifest = {"scoring": {"autoscaling": {"mode": "hpa"}}}
    both = {**base, **values}
    if "scoring" in values:
        scoring = mapping_at(values, "scoring")
        autoscaling = {"mode": "hpa", **mapping_at(scoring, "autoscaling")}
        both = {"scoring": {**scoring, "autoscaling": autoscaling}}
    found = changed_objects(render(DEMO, values=base), render(DEMO, values=both))
    assert {one.partition("/")[0] for one in found} == kinds


def test_labels_that_select_never_change(values_file: str) -> None:
    # Kubernetes refuses another selector of a Deployment, and pods would be lost to their Service.
    other: Manifest = {"image": {"tag": "9.9.9"}, "commonLabels": {"team": "art"}}
    first, second = render(values_file), render(values_file, values=other)
    for kind in ("Deployment", "Service", "StatefulSet", "PodDisruptionBudget", "NetworkPolicy"):
        old = {name_of(one): selectors(one) for one in first.of(kind)}
        assert old == {name_of(one): selectors(one) for one in second.of(kind)}


def selectors(item: Manifest) -> list[Manifest]:
    spec = mapping_at(item, "spec")
    return [mapping_at(spec, "selector"), mapping_at(spec, "podSelector")]


@pytest.mark.parametrize(
    "values",
    [
        {"sweep": {"drivers": 3}},
        {"sweep": {"settings": {"max_attempts": 3}}},
        {"sweep": {"spec": {"sampling": {"max_tokens": 7}}}},
        {"image": {"tag": "9.9.9"}},
    ],
)
def test_a_job_whose_pods_change_gets_another_name(values: Manifest) -> None:
    # Kubernetes refuses a change of a Job's pods; another Job goes on with the same results.
    first, second = render(DEMO), render(DEMO, values=values)
    (old,), (new,) = first.of("Job"), second.of("Job")
    assert name_of(old) != name_of(new)


@pytest.mark.parametrize("values", [{"scoring": {"enabled": False}}, {"commonLabels": {"a": "b"}}])
def test_a_job_whose_pods_stay_keeps_its_name(values: Manifest) -> None:
    if "scoring" in values:
        values = {
            **values,
            "sweep": {"scoringAddress": "demo-expart-serving-scoring.expart.svc:50061"},
        }
    first, second = render(DEMO), render(DEMO, values=values)
    (old,), (new,) = first.of("Job"), second.of("Job")
    assert name_of(old) == name_of(new)
    assert mapping_at(old, "spec", "template") == mapping_at(new, "spec", "template")


def test_what_is_mounted_from_a_changed_config_map_starts_its_pods_anew(values_file: str) -> None:
    # A new name or a digest of the content in the pods' annotations: else they keep the old one.
    rendered = render(values_file)
    for pod in pod_templates(rendered):
        for volume in list_at(pod.spec, "volumes"):
            if "configMap" in volume:
                named = rendered.get("ConfigMap", str(at(volume, "configMap", "name")))
                digest = any(
                    "checksum" in key for key in mapping_at(pod.item, "metadata", "annotations")
                )
                assert named.get("immutable") is True or digest, pod.owner
