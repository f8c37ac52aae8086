"""What the chart renders for the CPU demo works: on a Ray of this machine, without Kubernetes.

Serve's config is deployed with Serve's own command, and the sweep's Job is run as its container
would be: the same command line, variables and spec, but for addresses and folders.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import JsonValue

from services.sweep.leaderboard.leaderboard import build_leaderboard
from tests.conftest import PROJECT
from tests.contract.scoring_server import ScoringServer, scoring_server
from tests.helm.chart import Manifest, Rendered, at, list_at, mapping_at, render
from tests.helm.pods import PodTemplate, environment_of, pod_templates
from tests.integration.ray_cluster import RayCluster, free_ports
from tests.integration.serve_client import client_of

pytestmark = [pytest.mark.slow, pytest.mark.stack]

DEMO = "cpu-demo-values.yaml"
SPEC_FILE = "/etc/expart/sweep/sweep.yaml"
# Far more than they need, as other tests may run beside.
_LOADING_S, _SWEEP_S = 400.0, 400


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    return render(DEMO)


@pytest.fixture(scope="module")
def models(rendered: Rendered) -> list[str]:
    """The models that the demo serves."""
    applications = list_at(serve_config(rendered), "applications")
    return [str(one["name"]).removeprefix("model-") for one in applications[1:]]


@pytest.fixture(scope="module")
def cluster(rendered: Rendered, demo_models: Path) -> Iterator[RayCluster]:
    """A Ray of one node with all that the demo's pods have, to which its config is deployed."""
    with RayCluster() as running:
        running.environment |= ray_variables(rendered)
        running.environment["EXPART_GENERATION_MODELS_FOLDER"] = str(demo_models)
        running.start_head(num_cpus=8, resources=ray_resources(rendered))
        config = serve_config(rendered)
        move(config, running.front_port)
        running.deploy_text(yaml.safe_dump(config, sort_keys=False))
        yield running


@pytest.fixture(scope="module")
def scoring(
    rendered: Rendered, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ScoringServer]:
    """The scoring service with the variables of its container, but for where it listens."""
    pod = pod_of(rendered, "Deployment/")
    container = pod.container("scoring")
    assert at(container, "command") == ["python", "-m", "services.scoring"]
    own = {
        name.removeprefix("EXPART_SCORING_"): text
        for name, text in environment_of(container).items()
        if name.startswith("EXPART_SCORING_")
    }
    for name in ("ADDRESS", "HEALTH_ADDRESS"):
        own[name] = "127.0.0.1:0"
    (own["METRICS_PORT"],) = map(str, free_ports(1))
    with scoring_server(tmp_path_factory.mktemp("scoring"), **own) as server:
        yield server


def serve_config(rendered: Rendered) -> Manifest:
    text = at(rendered.only("RayService"), "spec", "serveConfigV2")
    found = yaml.safe_load(str(text))
    assert isinstance(found, dict)
    return found


def move(config: Manifest, port: int) -> None:
    """Has the front listen where nobody else does."""
    settings = mapping_at(list_at(config, "applications")[0], "args", "settings")
    health, metrics = free_ports(2)
    moved: dict[str, JsonValue] = {
        "host": "127.0.0.1",
        "port": port,
        "health_address": f"127.0.0.1:{health}",
        "metrics_port": metrics,
        "front_replicas": 1,
    }
    assert moved.keys() <= settings.keys(), settings
    settings |= moved


def ray_variables(rendered: Rendered) -> dict[str, str]:
    """Variables of the containers that Ray runs in, but for paths of their images."""
    found: dict[str, str] = {}
    for pod in pod_templates(rendered):
        if pod.owner.startswith("RayService/"):
            for container in list_at(pod.spec, "containers"):
                found |= environment_of(container)
    return {name: text for name, text in found.items() if not text.startswith("/")}


def ray_resources(rendered: Rendered) -> dict[str, float]:
    """Names by which fronts and models choose the pods that they run in."""
    found: dict[str, float] = {}
    cluster = mapping_at(rendered.only("RayService"), "spec", "rayClusterConfig")
    for group in list_at(cluster, "workerGroupSpecs"):
        given = str(mapping_at(group, "rayStartParams").get("resources", "'{}'"))
        # KubeRay writes it into a shell's command line, so it stands in quotation marks.
        (text,) = shlex.split(given)
        found |= json.loads(text)
    return found


def pod_of(rendered: Rendered, owner: str) -> PodTemplate:
    (found,) = [pod for pod in pod_templates(rendered) if pod.owner.startswith(owner)]
    return found


async def test_the_rendered_serve_config_is_deployed_and_answers(
    cluster: RayCluster, models: list[str]
) -> None:
    async with client_of(cluster.address) as client:
        for model in models:
            await client.until_state(model, "ready", _LOADING_S)
            answer = await client.until_answer(model)
            assert answer.text


@pytest.mark.parametrize("service", ["generation", "scoring"])
def test_helm_test_passes(
    service: str, rendered: Rendered, cluster: RayCluster, scoring: ScoringServer, tmp_path: Path
) -> None:
    pod = pod_of(rendered, f"Pod/demo-expart-serving-test-{service}")
    (container,) = pod.containers
    command = at(container, "command")
    assert isinstance(command, list)
    assert command[0] == "python"
    address = {"generation": cluster.address, "scoring": scoring.address}[service]
    done = subprocess.run(
        [sys.executable, *map(str, command[1:-1]), address],
        cwd=tmp_path,
        env=local_variables(container, tmp_path),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_job_s_command_line_runs_a_sweep(
    rendered: Rendered,
    cluster: RayCluster,
    scoring: ScoringServer,
    models: list[str],
    tmp_path: Path,
) -> None:
    pod = pod_of(rendered, "Job/")
    container = pod.container("driver")
    spec_file = tmp_path / "sweep.yaml"
    results = tmp_path / "results"
    spec_file.write_text(local_spec(rendered, results), encoding="utf-8")
    done = subprocess.run(
        local_command(container, spec_file, cluster.address, scoring.address),
        cwd=tmp_path,
        env=local_variables(container, tmp_path),
        capture_output=True,
        text=True,
        timeout=_SWEEP_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    board = build_leaderboard(str(results))
    assert {standing.group.model for standing in board.standings} == set(models)
    assert not board.to_ask_again


def local_spec(rendered: Rendered, results: Path) -> str:
    """The sweep of the ConfigMap, with two folders of this machine, and with few artworks."""
    (text,) = [
        str(mapping_at(item, "data")["sweep.yaml"])
        for item in rendered.of("ConfigMap")
        if "sweep.yaml" in mapping_at(item, "data")
    ]
    spec = yaml.safe_load(text)
    assert isinstance(spec, dict)
    assert str(spec["output"]).startswith("/results/")
    spec["output"] = str(results)
    spec["dataset"] = {"folder": str(PROJECT / "deploy" / "expart_mini")}
    spec["limits"] = {"max_artworks_per_split": 1}
    return str(yaml.safe_dump(spec))


def local_command(container: Manifest, spec_file: Path, generation: str, scoring: str) -> list[str]:
    """The container's command line, with the program and the addresses of this machine."""
    command, arguments = at(container, "command"), at(container, "args")
    assert isinstance(command, list)
    assert isinstance(arguments, list)
    assert command[0] == "expart"
    replaced = {SPEC_FILE: str(spec_file)}
    made = [sys.executable, "-m", "services.cli"]
    for item in map(str, [*command[1:], *arguments]):
        if item.startswith("--generation="):
            made.append(f"--generation={generation}")
        elif item.startswith("--scoring="):
            made.append(f"--scoring={scoring}")
        elif item.startswith("--metrics-port="):
            made.append("--metrics-port=0")
        else:
            made.append(replaced.get(item, item))
    assert str(spec_file) in made, made
    return made


def local_variables(container: Manifest, folder: Path) -> dict[str, str]:
    """The container's variables and those of an Indexed Job's first pod."""
    own = environment_of(container)
    own["EXPART_CLI_LOG_FOLDER"] = str(folder / "log")
    if "EXPART_SWEEP_SHARD_COUNT" in own:
        # One driver, so that one run completes the sweep.
        assert own["EXPART_SWEEP_SHARD_COUNT"] == "1"
    inherited = {
        name: text for name, text in os.environ.items() if not name.startswith(("EXPART_", "RAY_"))
    }
    return {**inherited, "PYTHONPATH": str(PROJECT), **own, "JOB_COMPLETION_INDEX": "0"}
