"""Values and manifests that the documentation shows are taken by the chart and by Kubernetes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pydantic import JsonValue

from tests.conftest import PROJECT
from tests.helm.chart import Manifest, Rendered, at, list_at, name_of, render
from tests.helm.crd_schemas import has_definitions
from tests.helm.kubernetes_schemas import violations

DOCS = PROJECT / "docs"
RELEASE, NAMESPACE = "expart-serving", "expart"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def values_of(page: str, name: str = "") -> dict[str, JsonValue]:
    (block,) = blocks(page, f"yaml values{name and ' '}{name}")
    found = yaml.safe_load(block)
    assert isinstance(found, dict)
    return found


def merged(*values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """As Helm merges files of values: mappings key by key, all else as a whole."""
    together: dict[str, JsonValue] = {}
    for one in values:
        for key, value in one.items():
            before = together.get(key)
            is_both = isinstance(before, dict) and isinstance(value, dict)
            together[key] = merged(before, value) if is_both else value  # type: ignore[arg-type]
    return together


@pytest.fixture(scope="module")
def models() -> dict[str, JsonValue]:
    """What the guide's own lines make of the catalog."""
    (script,) = blocks("install-on-kubernetes.md", "sh models")
    lines = script.replace("python -", f"{sys.executable} -").replace("> models.yaml ", "")
    made = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found = yaml.safe_load(made.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def installed(models: dict[str, JsonValue]) -> Rendered:
    """The chart after all steps of the guide."""
    page = "install-on-kubernetes.md"
    steps = (values_of(page), values_of(page, "sweep"), values_of(page, "monitoring"))
    return render(release=RELEASE, values=merged(models, *steps))


def wrong(items: Rendered | list[Manifest]) -> dict[str, list[str]]:
    built_in = ("v1", "apps/", "batch/", "networking.k8s.io/", "policy/", "autoscaling/", "rbac.")
    return {
        f"{item['kind']} {name_of(item)}": found
        for item in items
        if has_definitions() or str(item["apiVersion"]).startswith(built_in)
        if (found := violations(item, "1.33"))
    }


def test_what_the_guide_installs_is_valid(installed: Rendered) -> None:
    assert wrong(installed) == {}


def test_names_of_the_guide_are_those_of_the_release(installed: Rendered) -> None:
    guide = (DOCS / "install-on-kubernetes.md").read_text(encoding="utf-8")
    services = {name_of(service) for service in installed.of("Service")}
    assert set(re.findall(r"service/([\w-]+)", guide)) <= services
    assert f"helm test {RELEASE} " in guide
    assert name_of(installed.only("RayService")) == RELEASE
    for page in DOCS.glob("*.md"):
        for selector in re.findall(r"component=(\w+)", page.read_text(encoding="utf-8")):
            assert installed.only("Job", selector), page


def test_the_sweep_of_the_guide_has_its_results_where_it_says(installed: Rendered) -> None:
    job = installed.only("Job", "sweep")
    assert at(job, "metadata", "annotations", "expart-serving/output") == "s3://bucket/expart/first"
    assert at(job, "spec", "completions") == 2
    guide = (DOCS / "install-on-kubernetes.md").read_text(encoding="utf-8")
    assert "`OUTPUT` is `s3://bucket/expart/first`" in guide


def test_the_dataset_is_prepared_where_the_sweep_reads_it(installed: Rendered) -> None:
    def claims(job: Manifest) -> set[object]:
        volumes = list_at(job, "spec", "template", "spec", "volumes")
        found = [volume for volume in volumes if volume["name"] == "dataset"]
        return {at(volume, "persistentVolumeClaim", "claimName") for volume in found}

    claim = installed.only("PersistentVolumeClaim", "dataset")
    assert claims(installed.only("Job", "dataset")) == {name_of(claim)}
    assert claims(installed.only("Job", "sweep")) == {name_of(claim)}


def test_the_secured_values_are_taken(models: dict[str, JsonValue]) -> None:
    guide = values_of("install-on-kubernetes.md")
    secured = render(
        release=RELEASE, values=merged(models, guide, values_of("security.md", "secured"))
    )
    assert wrong(secured) == {}
    assert len(secured.of("Certificate")) == 3


def test_ports_of_the_page_on_security_are_those_of_the_policies(installed: Rendered) -> None:
    page = (DOCS / "security.md").read_text(encoding="utf-8")
    table = page.partition("| to | port | from |")[2].partition("\n\n")[0]
    told = {int(port) for port in re.findall(r"\b\d{4,5}\b", table)}
    let_in = {
        at(port, "port")
        for policy in installed.of("NetworkPolicy")
        for rule in list_at(policy, "spec", "ingress")
        for port in list_at(rule, "ports")
    }
    # Health is asked by the kubelet, which no policy names.
    assert told - {50052, 50062} == let_in


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.stem)
def test_values_that_pages_name_are_values_of_the_chart(page: Path) -> None:
    chart = yaml.safe_load((PROJECT / "helm/expart-serving/values.yaml").read_text())
    text = page.read_text(encoding="utf-8")
    roots = "|".join(key for key in chart if key not in {"models", "nameOverride"})
    for name in set(re.findall(rf"(?:`|--set )((?:{roots})\.[A-Za-z.]+)", text)):
        if not name.endswith((".yaml", ".log")):  # files
            assert at(chart, *name.rstrip(".").split(".")) is not chart, name
