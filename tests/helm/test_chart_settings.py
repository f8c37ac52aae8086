"""What the chart tells the programs is what they understand."""

import re
from collections.abc import Iterator

import pytest
from pydantic_settings import BaseSettings
from ray._private.ray_constants import DEFAULT_DASHBOARD_AGENT_LISTEN_PORT
from ray.dashboard.http_server_agent import PUBLIC_EXACT_PATHS
from ray.scripts.scripts import start as ray_start

from services.cli.settings import CliSettings
from services.generation.settings import GenerationSettings
from services.scoring.settings import ScoringSettings
from services.sweep.run.settings import SweepSettings
from tests.conftest import PROJECT
from tests.helm.chart import Manifest, Rendered, list_at, mapping_at
from tests.helm.pods import environment_of, pod_templates

SETTINGS: dict[str, type[BaseSettings]] = {
    "EXPART_CLI_": CliSettings,
    "EXPART_GENERATION_": GenerationSettings,
    "EXPART_SCORING_": ScoringSettings,
    "EXPART_SWEEP_": SweepSettings,
}


def containers(rendered: Rendered) -> Iterator[tuple[str, Manifest]]:
    """Every container, with what it belongs to."""
    for pod in pod_templates(rendered):
        for container in pod.containers:
            yield f"{pod.owner} {container['name']}", container


def test_variables_of_ours_are_settings_with_right_values(
    rendered: Rendered, monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner, container in containers(rendered):
        variables = environment_of(container)
        for prefix, settings in SETTINGS.items():
            mine = {name: text for name, text in variables.items() if name.startswith(prefix)}
            known = {f"{prefix}{name.upper()}" for name in settings.model_fields}
            assert mine.keys() <= known, f"{owner}: {mine.keys() - known}"
            with monkeypatch.context() as patch:
                for name, text in mine.items():
                    patch.setenv(name, text)
                settings()  # a wrong value is refused


def test_every_variable_of_ours_has_a_known_prefix(rendered: Rendered) -> None:
    for owner, container in containers(rendered):
        for item in list_at(container, "env"):
            name = str(item["name"])
            if name.startswith("EXPART_"):
                assert name.startswith(tuple(SETTINGS)), f"{owner}: {name}"


def test_files_that_settings_name_are_mounted(rendered: Rendered) -> None:
    for owner, container in containers(rendered):
        mounts = [str(mount["mountPath"]) for mount in list_at(container, "volumeMounts")]
        for name, text in environment_of(container).items():
            if re.search(r"_(FILE|FOLDER|HOME)$", name) and text.startswith("/"):
                below = [place for place in mounts if f"{text}/".startswith(f"{place}/")]
                assert below, f"{owner}: {name}={text} is in none of {mounts}"


def test_numbers_are_written_out(rendered: Rendered) -> None:
    # Helm's own way is 1e+06, which no integer setting takes.
    for owner, container in containers(rendered):
        for name, text in environment_of(container).items():
            assert not re.fullmatch(r"[\d.]+e[+-]?\d+", text), f"{owner}: {name}={text}"


def test_ray_starts_with_options_that_it_has(rendered: Rendered) -> None:
    known = {name.lstrip("-") for option in ray_start.params for name in option.opts}
    for item in rendered.of("RayService"):
        cluster = mapping_at(item, "spec", "rayClusterConfig")
        groups = [mapping_at(cluster, "headGroupSpec"), *list_at(cluster, "workerGroupSpecs")]
        for group in groups:
            given = mapping_at(group, "rayStartParams")
            assert given.keys() <= known, given.keys() - known
            assert all(isinstance(value, str) for value in given.values()), given


def test_probes_of_ray_s_agent_ask_what_it_answers_without_a_token(rendered: Rendered) -> None:
    for owner, container in containers(rendered):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = mapping_at(container, probe, "httpGet")
            if owner.startswith("RayService/") and asked.get("port") != "dashboard" and asked:
                assert asked["port"] == DEFAULT_DASHBOARD_AGENT_LISTEN_PORT, owner
                assert asked["path"] in PUBLIC_EXACT_PATHS, owner


def test_ray_has_the_version_that_is_installed(rendered: Rendered) -> None:
    locks = PROJECT / "deploy" / "locks"
    for item in rendered.of("RayService"):
        version = mapping_at(item, "spec", "rayClusterConfig")["rayVersion"]
        for lock in ("cpu.txt", "gpu.txt"):
            assert f"ray=={version}\n" in (locks / lock).read_text(encoding="utf-8"), lock
