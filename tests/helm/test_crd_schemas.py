"""The check of custom resources finds what an API server refuses, or drops without a word."""

import pytest

from tests.helm.chart import Manifest
from tests.helm.crd_schemas import has_definitions, strict_schema, violations

pytestmark = pytest.mark.skipif(
    not has_definitions(), reason="the custom resource definitions of others are not here"
)


def ray_service(**spec: object) -> Manifest:
    head = {"rayStartParams": {}, "template": {"spec": {"containers": [{"name": "ray"}]}}}
    cluster = {"rayVersion": "2.60.0", "headGroupSpec": head}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "generation"},
        "spec": {"serveConfigV2": "", "rayClusterConfig": cluster, **spec},  # type: ignore[dict-item]
    }


def scaled_object(least: int, most: int) -> Manifest:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "scoring"},
        "spec": {
            "scaleTargetRef": {"name": "scoring"},
            "minReplicaCount": least,
            "maxReplicaCount": most,
            "triggers": [{"type": "cpu", "metadata": {"value": "70"}}],
        },
    }


def test_a_right_object_has_no_violation() -> None:
    assert violations(ray_service()) == []
    assert violations(scaled_object(1, 2)) == []


def test_an_unknown_field_is_found_at_any_depth() -> None:
    (found,) = violations(ray_service(serveConfig=""))
    assert "'serveConfig' was unexpected" in found
    wrong = {
        "headGroupSpec": {
            "rayStartParams": {},
            "template": {"spec": {"containers": [{"name": "ray", "imagePolicy": "Always"}]}},
        }
    }
    (found,) = violations(ray_service(rayClusterConfig=wrong))
    assert "headGroupSpec.template.spec.containers.0" in found
    assert "'imagePolicy' was unexpected" in found


def test_a_wrong_type_and_a_missing_field_are_found() -> None:
    (found,) = violations(ray_service(serviceUnhealthySecondThreshold="300"))
    assert "serviceUnhealthySecondThreshold" in found
    (found,) = violations(ray_service(rayClusterConfig={"rayVersion": "2.60.0"}))
    assert "'headGroupSpec' is a required property" in found


def test_a_rule_in_cel_is_evaluated() -> None:
    (found,) = violations(scaled_object(3, 2))
    assert found == "spec: minReplicaCount must be less than or equal to maxReplicaCount"
    (found,) = violations(ray_service(managedBy="somebody"))
    assert "must be either" in found


def test_an_object_without_a_definition_is_no_right_one() -> None:
    with pytest.raises(KeyError):
        violations({"apiVersion": "ray.io/v2", "kind": "RayService", "metadata": {"name": "x"}})


def test_numbers_or_texts_and_nothing_are_taken_where_the_definition_says_so() -> None:
    both = strict_schema({"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}]})
    assert both["type"] == ["integer", "string"]
    nothing = strict_schema({"type": "string", "nullable": True})
    assert nothing == {"anyOf": [{"type": "null"}, {"type": "string"}]}
    kept = strict_schema({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    assert kept == {"type": "object"}
