"""The chart around ours, with stand-ins for the two that only the network brings."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.helm.chart import CHART, run_helm

PLATFORM = CHART.parent / "expart-platform"
OPERATORS = {"kuberay-operator": "1.7.3", "kube-prometheus-stack": "90.1.2"}


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """The chart as `helm dependency update` would leave it."""
    made = tmp_path / "expart-platform"
    shutil.copytree(PLATFORM, made)
    shutil.copytree(CHART, made / "charts" / "expart-serving")
    for name, version in OPERATORS.items():
        folder = made / "charts" / name
        (folder / "templates").mkdir(parents=True)
        about = {"apiVersion": "v2", "name": name, "version": version}
        (folder / "Chart.yaml").write_text(json.dumps(about), encoding="utf-8")
        stub = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        (folder / "templates" / "stub.yaml").write_text(json.dumps(stub), encoding="utf-8")
    return made


def rendered(helm: str, chart: Path, *options: str) -> set[str]:
    """Kind and name of what is rendered."""
    done = run_helm(helm, "template", "demo", str(chart), *options)
    assert done.returncode == 0, done.stderr
    items = [item for item in yaml.safe_load_all(done.stdout) if item]
    return {f"{item['kind']}/{item['metadata']['name']}" for item in items}


def test_it_is_linted_strictly(helm: str, chart: Path) -> None:
    done = run_helm(helm, "lint", str(chart), "--strict")
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_brings_the_operators_unless_they_are_switched_off(helm: str, chart: Path) -> None:
    stubs = {f"ConfigMap/{name}" for name in OPERATORS}
    whole = rendered(helm, chart)
    assert stubs | {"RayService/demo-expart-serving"} <= whole
    off = [f"--set={name}.enabled=false" for name in OPERATORS]
    assert rendered(helm, chart, *off) == whole - stubs


def test_values_of_our_chart_stand_below_its_name(helm: str, chart: Path) -> None:
    whole = rendered(helm, chart, "--set=expart-serving.generation.enabled=false")
    assert "RayService/demo-expart-serving" not in whole
    wrong = run_helm(helm, "template", "demo", str(chart), "--set=expart-serving.bogus=1")
    assert wrong.returncode != 0
    assert "bogus" in wrong.stderr


@pytest.mark.parametrize("command", [("template", "demo"), ("lint", "--strict")], ids="-".join)
def test_without_its_dependencies_helm_neither_renders_nor_lints_it(
    helm: str, command: tuple[str, ...]
) -> None:
    # The reason why this is not our chart itself: switched off or not, they must be there.
    off = [f"--set={name}.enabled=false" for name in OPERATORS]
    done = run_helm(helm, *command, str(PLATFORM), *off)
    assert done.returncode != 0
    assert re.search("missing (in charts/ directory|these dependencies)", done.stdout + done.stderr)
