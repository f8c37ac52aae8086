"""Who the pods of scoring and sweeps are: nobody with a right."""

from tests.helm.chart import Manifest, mapping_at, name_of, render
from tests.helm.pods import pod_templates

TEMPLATE = "security/serviceaccounts.yaml"
DEMO = "cpu-demo-values.yaml"


def test_there_is_none_for_what_is_not_installed_or_has_another() -> None:
    values: Manifest = {
        "sweep": {"enabled": False},
        "scoring": {"serviceAccount": {"create": False, "name": "own"}},
    }
    made = render(DEMO, values=values)
    assert made.from_template(TEMPLATE) == ()
    (pod,) = [item for item in pod_templates(made) if item.owner.startswith("Deployment/")]
    assert pod.spec["serviceAccountName"] == "own"


def test_each_component_has_its_own_and_no_pod_gets_a_token() -> None:
    account: Manifest = {"annotations": {"cloud/role": "results"}}
    made = render(DEMO, values={"sweep": {"serviceAccount": account}})
    accounts = {name_of(item): item for item in made.from_template(TEMPLATE)}
    assert set(accounts) == {"demo-expart-serving-scoring", "demo-expart-serving-sweep"}
    assert all(item["automountServiceAccountToken"] is False for item in accounts.values())
    own = accounts["demo-expart-serving-sweep"]
    assert mapping_at(own, "metadata", "annotations") == {"cloud/role": "results"}


def test_nobody_is_given_a_right() -> None:
    made = render("secured-values.yaml")
    for kind in ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"):
        assert made.of(kind) == []
