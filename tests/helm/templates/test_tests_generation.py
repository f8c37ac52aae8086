"""``helm test`` of the generation service."""

from tests.helm.chart import Manifest, at, list_at, mapping_at, render
from tests.helm.pods import environment_of

TEMPLATE = "tests/generation.yaml"
DEMO = "cpu-demo-values.yaml"


def test_it_is_not_there_where_generation_is_disabled() -> None:
    assert render("scoring-only-values.yaml").from_template(TEMPLATE) == ()


def test_it_is_a_hook_that_asks_the_fronts_once() -> None:
    (item,) = render(DEMO).from_template(TEMPLATE)
    annotations = mapping_at(item, "metadata", "annotations")
    assert annotations["helm.sh/hook"] == "test"
    assert at(item, "spec", "restartPolicy") == "Never"
    command = at(item, "spec", "containers", 0, "command")
    assert isinstance(command, list)
    assert command[:2] == ["python", "-c"]
    compile(str(command[2]), "ask_generation.py", "exec")
    assert command[3] == "demo-expart-serving-generation.expart.svc:50051"


def test_it_shows_who_it_is_where_the_release_is_secured() -> None:
    made = render("secured-values.yaml", values={"commonLabels": {}})
    (item,) = made.from_template(TEMPLATE)
    variables = environment_of(list_at(item, "spec", "containers")[0])
    assert variables["EXPART_CLI_TLS"] == "true"
    assert "EXPART_CLI_TOKEN_FILE" in variables


def test_it_uses_the_drivers_image() -> None:
    values: Manifest = {"image": {"registry": "r", "tag": "1"}}
    (item,) = render(DEMO, values=values).from_template(TEMPLATE)
    assert at(item, "spec", "containers", 0, "image") == "r/expart-driver:1"
