"""checkov, the policy linter, finds nothing in what the chart renders, but for what is explained.

It knows no custom resources: the pods of a Ray cluster are shown to it as Deployments of their own.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import yaml

from deploy.tools.fetch import CHECKOV, find
from tests.helm.chart import NAMESPACE, VALUE_FILES, Manifest, mapping_at, name_of, render
from tests.helm.pods import ray_pods

pytestmark = pytest.mark.slow

_TIMEOUT_S = 180


@dataclass(frozen=True, slots=True)
class Unsuited:
    """A rule that does not suit something.

    Attributes:
        rule: Its id.
        about: Regular expression of what it does not suit, over what checkov names it.
        reason: Why.
    """

    rule: str
    about: str
    reason: str

    def covers(self, rule: str, what: str) -> bool:
        return rule == self.rule and re.search(self.about, what) is not None


def exceptions() -> list[Unsuited]:
    """The rules that do not suit everything, from the one file that explains them."""
    text = Path(__file__).with_name("policy.yaml").read_text(encoding="utf-8")
    return [Unsuited(**item) for item in yaml.safe_load(text)]


def shown(file: str) -> Iterator[Manifest]:
    """What checkov is shown of a set of values."""
    for item in render(file):
        yield item
        if item["kind"] == "RayService":
            for number, pod in enumerate(ray_pods(item)):
                yield {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": {
                        "name": f"{name_of(item)}-{number}",
                        "namespace": NAMESPACE,
                        "labels": dict(mapping_at(pod.item, "metadata", "labels")),
                    },
                    "spec": {
                        "selector": {"matchLabels": dict(pod.labels)},
                        "template": pod.item,
                    },
                }


@cache
def checkov() -> Path:
    program = find(CHECKOV)
    if program is None:
        pytest.skip("checkov is not fetched: make tools")
    return program


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """What each rule finds, over all sets of values; one run, as checkov starts slowly."""
    folder = tmp_path_factory.mktemp("rendered")
    for file in VALUE_FILES:
        text = yaml.safe_dump_all(list(shown(file)), sort_keys=False)
        (folder / f"{file.removesuffix('-values.yaml')}.yaml").write_text(text, encoding="utf-8")
    return run_checkov(folder)


def run_checkov(folder: Path) -> dict[str, set[str]]:
    """Every rule that finds something, with what it finds it in."""
    command = [checkov(), "--directory", folder, "--framework", "kubernetes", "--output", "json"]
    done = subprocess.run(
        [*command, "--quiet", "--compact", "--skip-download", "--soft-fail"],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    assert said["summary"]["parsing_errors"] == 0, said["summary"]
    assert said["summary"]["passed"] > 0, said["summary"]
    found: dict[str, set[str]] = {}
    for one in said["results"]["failed_checks"]:
        what = f"{Path(one['file_path']).stem} {one['resource']}: {one['check_name']}"
        found.setdefault(one["check_id"], set()).add(what)
    return found


def test_no_rule_finds_anything_that_is_not_explained(failures: dict[str, set[str]]) -> None:
    left = [
        f"{rule} {what}"
        for rule, found in failures.items()
        for what in found
        if not any(one.covers(rule, what) for one in exceptions())
    ]
    assert left == []


def test_every_exception_is_needed(failures: dict[str, set[str]]) -> None:
    for one in exceptions():
        assert any(one.covers(one.rule, what) for what in failures.get(one.rule, ())), one


def test_every_exception_is_explained_once() -> None:
    assert all(len(one.reason.split()) > 5 for one in exceptions())
    assert len({(one.rule, one.about) for one in exceptions()}) == len(exceptions())


def test_checkov_finds_a_privileged_container(tmp_path: Path) -> None:
    pod: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "wrong", "namespace": NAMESPACE},
        "spec": {
            "containers": [
                {"name": "a", "image": "a:1", "securityContext": {"privileged": True}},
            ]
        },
    }
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod), encoding="utf-8")
    assert "CKV_K8S_16" in run_checkov(tmp_path)
