"""Renders the chart with the real Helm, once for each set of values."""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import pytest
import yaml
from pydantic import JsonValue

from deploy.tools.fetch import find
from tests.conftest import PROJECT

CHART = PROJECT / "helm" / "expart-serving"
VALUE_FILES = tuple(sorted(path.name for path in (CHART / "ci").glob("*-values.yaml")))
HELMS = ("helm3", "helm4")
RELEASE, NAMESPACE = "demo", "expart"
FULL_NAME = f"{RELEASE}-expart-serving"
KUBERNETES = "1.33.0"
_SOURCE = re.compile(r"^# Source: expart-serving/templates/(\S+)$", re.MULTILINE)
_TIMEOUT_S = 60

Manifest: TypeAlias = dict[str, JsonValue]


class RefusedError(Exception):
    """Helm refuses the values; the message is what it says."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What Helm makes of the chart.

    Attributes:
        text: All of it, as Helm prints it.
        templates: The objects of each template, by its path below ``templates``.
    """

    text: str
    templates: Mapping[str, tuple[Manifest, ...]]

    def __iter__(self) -> Iterator[Manifest]:
        for objects in self.templates.values():
            yield from objects

    def of(self, kind: str) -> list[Manifest]:
        """All objects of a kind."""
        return [item for item in self if item["kind"] == kind]

    def only(self, kind: str, component: str = "") -> Manifest:
        """The one object of a kind, or of a kind and a component."""
        found = [
            item
            for item in self.of(kind)
            if not component or labels_of(item).get("app.kubernetes.io/component") == component
        ]
        names = [name_of(item) for item in self]
        assert len(found) == 1, f"{len(found)} of {kind} {component}, among {names}"
        return found[0]

    def get(self, kind: str, name: str) -> Manifest:
        """The object of a kind and a name."""
        (found,) = [item for item in self.of(kind) if name_of(item) == name]
        return found

    def from_template(self, template: str) -> tuple[Manifest, ...]:
        """The objects that a template makes; none where it makes nothing."""
        assert (CHART / "templates" / template).is_file(), f"there is no template {template}"
        return self.templates.get(template, ())


def render(
    *files: str,
    helm: str = "helm4",
    kubernetes: str = KUBERNETES,
    release: str = RELEASE,
    values: Mapping[str, JsonValue] | None = None,
) -> Rendered:
    """Renders the chart.

    Args:
        files: Names of files in its folder ``ci``.
        helm: Which Helm.
        kubernetes: For which version of Kubernetes.
        release: Name of the release.
        values: What differs from the files.

    Raises:
        RefusedError: Helm refuses the values.
    """
    return _render(files, helm, kubernetes, release, json.dumps(values or {}))


def refusal(*files: str, values: Mapping[str, JsonValue], helm: str = "helm4") -> str:
    """What Helm says of wrong values; fails where it takes them."""
    try:
        render(*files, values=values, helm=helm)
    except RefusedError as error:
        return str(error)
    raise AssertionError(f"taken: {json.dumps(values)}")


@cache
def helm_program(name: str) -> Path:
    """Helm, where this machine has it; else the test is skipped."""
    program = find(name)
    if program is None:
        pytest.skip(f"{name} is neither on the PATH nor fetched: make tools")
    return program


def run_helm(name: str, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Runs Helm, which must not ask any network."""
    return subprocess.run(
        [helm_program(name), *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def value_options(*files: str) -> list[str]:
    """The options that name files of the folder ``ci``."""
    return [option for file in files for option in ("--values", str(CHART / "ci" / file))]


@cache
def _render(
    files: tuple[str, ...], helm: str, kubernetes: str, release: str, values: str
) -> Rendered:
    done = run_helm(
        helm,
        *("template", release, str(CHART), "--namespace", NAMESPACE),
        *("--kube-version", kubernetes),
        *value_options(*files),
        *("--values", "-"),
        given=values,
    )
    if done.returncode != 0:
        raise RefusedError(done.stderr)
    return Rendered(done.stdout, _by_template(done.stdout))


def _by_template(text: str) -> dict[str, tuple[Manifest, ...]]:
    found: dict[str, list[Manifest]] = {}
    for document in re.split(r"^---$", text, flags=re.MULTILINE):
        content = yaml.load(document, Loader=yaml.CSafeLoader)
        if content is None:
            continue
        source = _SOURCE.search(document)
        assert source is not None, f"of no template: {document}"
        assert isinstance(content, dict), f"{source[1]} makes no object: {document}"
        found.setdefault(source[1], []).append(content)
    return {template: tuple(objects) for template, objects in found.items()}


def at(item: JsonValue, *path: str | int) -> JsonValue:
    """What lies at a path of keys and indices; fails with the path where there is nothing."""
    for number, step in enumerate(path):
        where = ".".join(map(str, path[: number + 1]))
        try:
            item = item[step]  # type: ignore[index,call-overload]
        except (KeyError, IndexError, TypeError) as error:
            raise AssertionError(f"there is no {where}") from error
    return item


def mapping_at(item: JsonValue, *path: str | int) -> Manifest:
    """The mapping at a path; an empty one where there is nothing."""
    try:
        found = at(item, *path)
    except AssertionError:
        return {}
    assert isinstance(found, dict), f"{path} is no mapping: {found}"
    return found


def list_at(item: JsonValue, *path: str | int) -> list[Manifest]:
    """The list of mappings at a path; an empty one where there is nothing."""
    try:
        found = at(item, *path)
    except AssertionError:
        return []
    assert isinstance(found, list), f"{path} is no list: {found}"
    assert all(isinstance(one, dict) for one in found), f"{path} is no list of mappings: {found}"
    return [one for one in found if isinstance(one, dict)]


def name_of(item: Manifest) -> str:
    return str(at(item, "metadata", "name"))


def labels_of(item: Manifest) -> dict[str, str]:
    return {name: str(value) for name, value in mapping_at(item, "metadata", "labels").items()}
