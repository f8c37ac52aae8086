"""Who the pods of the Ray cluster are."""

from tests.helm.chart import Manifest, mapping_at, name_of, render
from tests.helm.pods import ray_pods

TEMPLATE = "generation/serviceaccounts.yaml"
DEMO = "cpu-demo-values.yaml"


def test_there_are_none_where_generation_is_disabled_or_others_make_them() -> None:
    assert render("scoring-only-values.yaml").from_template(TEMPLATE) == ()
    account: Manifest = {"create": False, "name": "own", "headName": "own-head"}
    made = render(DEMO, values={"generation": {"serviceAccount": account}})
    assert made.from_template(TEMPLATE) == ()
    names = {pod.spec["serviceAccountName"] for pod in ray_pods(made.only("RayService"))}
    assert names == {"own", "own-head"}


def test_the_head_has_one_of_its_own_and_no_pod_gets_a_token() -> None:
    made = render(DEMO)
    accounts = made.from_template(TEMPLATE)
    names = {name_of(item) for item in accounts}
    assert names == {"demo-expart-serving-generation", "demo-expart-serving-generation-head"}
    assert all(item["automountServiceAccountToken"] is False for item in accounts)
    for pod in ray_pods(made.only("RayService")):
        is_head = pod.owner.endswith(" head")
        assert str(pod.spec["serviceAccountName"]).endswith("-head") == is_head


def test_a_cloud_s_role_is_an_annotation() -> None:
    account: Manifest = {"annotations": {"cloud/role": "models"}}
    made = render(DEMO, values={"generation": {"serviceAccount": account}})
    for item in made.from_template(TEMPLATE):
        assert mapping_at(item, "metadata", "annotations") == {"cloud/role": "models"}
