"""The images of the scoring service and of the driver, built and run as a cluster would run them.

Of the generation image only the stage is built that its targets begin with: vLLM is too large.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import yaml

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from tests.images.container_engine import (
    PROJECT,
    Container,
    Engine,
    free_address,
    missing,
    status_of,
    storage_driver,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(missing()), reason=missing())]

UID = 10001
TIMEOUT_S = 60.0
# Of build-essential and its likes, and of what could install them.
TOOLS = "as c++ c99 cc clang cpp g++ gcc ld make pip pip3 tcc"
REVISION = "0123456789abcdef0123456789abcdef01234567"
QUICKSTART = PROJECT / "deploy" / "docker" / "quickstart.yaml"
CHECKS = PROJECT / "helm" / "expart-serving" / "checks"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    # podman's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="expart-images-", dir="/tmp") as folder:
        engine = Engine(Path(folder), storage_driver(Path(folder) / "trial"))
        if cause := engine.prepare(PROJECT / "var" / "images" / "bookworm.tar"):
            pytest.skip(cause)
        yield engine


@pytest.fixture(scope="module")
def scoring(engine: Engine) -> str:
    return build(engine, "scoring")


@pytest.fixture(scope="module")
def driver(engine: Engine) -> str:
    return build(engine, "driver")


def build(engine: Engine, name: str) -> str:
    return engine.build(f"{name}.Dockerfile", f"expart-{name}", REVISION=REVISION, VERSION="1.2.3")


@pytest.fixture(params=["scoring", "driver"])
def image(request: pytest.FixtureRequest) -> str:
    name: str = request.getfixturevalue(request.param)
    return name


@contextmanager
def serving(engine: Engine, scoring: str) -> Iterator[tuple[Container, str]]:
    """Runs the scoring service until it calls itself healthy; gives its address."""
    address, health = free_address(), free_address()
    with engine.running(
        scoring,
        EXPART_SCORING_ADDRESS=address,
        EXPART_SCORING_HEALTH_ADDRESS=health,
        EXPART_SCORING_WORKERS="1",
    ) as container:
        wait_until(container.is_healthy, container.log)
        yield container, address


def coverage(address: str) -> float:
    """The entity coverage of a text that names one of two entities: one half."""
    item = pb.ScoringItem(
        candidate="It hangs in the Louvre.",
        reference="It hangs in the Louvre in Paris.",
        entities=["Louvre", "Paris"],
    )
    request = pb.ScoreExplanationRequest(item=item, metrics=["ec_exact"])
    with grpc.insecure_channel(address) as channel:
        stub = pb_grpc.ScoringServiceStub(channel)
        response: pb.ScoreExplanationResponse = stub.ScoreExplanation(
            request, timeout=TIMEOUT_S, wait_for_ready=True
        )
    return response.scores[0].value


def shell(engine: Engine, image: str, script: str) -> list[str]:
    """What a script prints in a container."""
    return engine.run(image, "-c", script, entrypoint="/bin/sh").stdout.split()


def test_an_image_has_no_compiler_and_nothing_that_installs_one(engine: Engine, image: str) -> None:
    script = f"for tool in {TOOLS}; do command -v $tool; done; command -v python"
    assert shell(engine, image, script) == ["/opt/expart/bin/python"]


def test_an_image_runs_as_nobody_of_importance_to_whom_nothing_of_it_belongs(
    engine: Engine, image: str
) -> None:
    # Links have every right, and give none.
    loose = r"find /opt/expart ! -type l \( ! -user 0 -o -perm /o+w \)"
    assert shell(engine, image, f"id -u; id -g; {loose}") == [str(UID)] * 2


def test_an_image_leaves_out_what_only_building_it_needs(engine: Engine, image: str) -> None:
    left = "/build /root/.cache /opt/expart/lib/python3.11/site-packages/pip"
    assert shell(engine, image, f"ls -d {left} 2>/dev/null; true") == []


def test_an_image_says_what_it_is_and_what_it_was_made_from(engine: Engine, image: str) -> None:
    config = engine.describe(image)["Config"]
    assert isinstance(config, dict)
    labels = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in config["Labels"].items()
    }
    assert labels["title"] == image.rpartition("/")[2]
    assert labels["revision"] == REVISION
    assert labels["version"] == "1.2.3"
    assert labels["licenses"] == "Apache-2.0"
    assert labels["description"]
    assert labels["source"] == "unknown"
    assert config["User"] == f"{UID}:{UID}"


def test_an_image_holds_no_more_than_it_needs(
    engine: Engine, image: str, record_property: Callable[[str, object], None]
) -> None:
    size = engine.describe(image)["Size"]
    assert isinstance(size, int)
    record_property(f"size of {image}, base image included", f"{size / 1e6:.0f} MB")
    # With torch or Ray it would be gigabytes.
    assert size < 1e9


def test_the_scoring_service_scores_without_a_right_or_a_place_to_write(
    engine: Engine, scoring: str
) -> None:
    with serving(engine, scoring) as (container, address):
        assert coverage(address) == 0.5
        process = status_of(container.pid)
    assert process["Uid"].split() == [str(UID)] * 4
    assert int(process["CapBnd"], 16) == 0
    assert process["NoNewPrivs"] == "1"


def test_a_worker_that_dies_in_the_container_leaves_nothing_behind(
    engine: Engine, scoring: str
) -> None:
    with serving(engine, scoring) as (container, address):
        (worker,) = container.children()
        os.kill(worker, signal.SIGKILL)
        wait_until(
            lambda: worker not in container.children() and bool(container.children()),
            container.log,
        )
        assert coverage(address) == 0.5
        assert "Z" not in container.children().values()


def test_the_scoring_service_drains_when_the_container_is_stopped(
    engine: Engine, scoring: str
) -> None:
    with serving(engine, scoring) as (container, _):
        container.stop(timeout_s=30)
        # 137 if it had been killed.
        assert container.exit_code == 0
        assert "scoring_stopped" in container.log()


def test_the_driver_explains_itself(engine: Engine, driver: str) -> None:
    said = engine.run(driver).stdout
    assert "Usage: expart" in said
    assert "sweep" in said


def test_the_driver_runs_the_sweep_of_the_compose_file(
    engine: Engine, scoring: str, driver: str, tmp_path: Path
) -> None:
    # ExpArt-mini has 40 records of seen works and 48 of unseen ones, for two models.
    questions = 2 * (40 + 48)
    results = tmp_path / "results"
    results.mkdir()
    os.chown(results, UID, UID)
    volumes = {
        QUICKSTART: "/quickstart.yaml:ro",
        PROJECT / "deploy" / "expart_mini": "/expart_mini:ro",
        results: "/results",
    }
    output = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))["output"]
    with serving(engine, scoring) as (_, scoring_address), scripted_models() as generation:
        planned = engine.run(
            *(driver, "sweep", "plan", "/quickstart.yaml", "--json", f"--generation={generation}"),
            volumes=volumes,
        )
        assert json.loads(planned.stdout)["questions"]["to_ask"] == questions
        engine.run(driver, *composed_sweep(generation, scoring_address), volumes=volumes)
    told = json.loads(
        engine.run(driver, "sweep", "status", output, "--json", volumes=volumes).stdout
    )
    assert (told["planned"], told["done"], told["scored"]) == (questions,) * 3
    assert (results / "quickstart" / "leaderboard.json").stat().st_uid == UID
    # Where README.md copies it from.
    assert (results / "quickstart" / "report" / "report.html").is_file()


def composed_sweep(generation: str, scoring: str) -> list[str]:
    """The command of the compose file's sweep with addresses of this machine."""
    compose = yaml.safe_load(QUICKSTART.with_name("compose.yaml").read_text(encoding="utf-8"))
    places = {
        "--generation=": generation,
        "--scoring=": scoring,
        "--metrics-port=": free_address().rpartition(":")[2],
    }
    command = []
    for word in compose["services"]["sweep"]["command"]:
        option = word[: word.find("=") + 1]
        command.append(f"{option}{places[option]}" if option else word)
    return command


def test_the_checks_of_the_chart_run_in_the_image_of_the_driver(
    engine: Engine, scoring: str, driver: str
) -> None:
    def check(script: str, address: str) -> str:
        # As the pods of `helm test` are started.
        text = (CHECKS / script).read_text(encoding="utf-8")
        return engine.run(driver, "-c", text, address, entrypoint="python").stdout

    with serving(engine, scoring) as (_, address):
        assert check("score_text.py", address).startswith("ec_exact 0.5 ")
    with scripted_models() as generation:
        assert check("ask_generation.py", generation).split() == [
            *("demo-smol", "ready", "demo-tiny", "ready")
        ]


@contextmanager
def scripted_models() -> Iterator[str]:
    """Both demo models, played, outside of any container; gives their address."""
    command = (sys.executable, "-m", "services.generation.scripted_server", "--with-parent")
    with subprocess.Popen(
        [*command, "--model", "demo-smol", "--model", "demo-tiny"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture(scope="module")
def runtime(engine: Engine) -> str:
    return engine.build("generation.Dockerfile", "expart-runtime", stage="runtime")


def test_a_login_shell_finds_ray_where_every_other_shell_does(engine: Engine, runtime: str) -> None:
    ended = engine.run(runtime, "-lc", "echo $PATH", entrypoint="/bin/bash")
    assert ended.stdout.startswith("/opt/expart/bin:")


def test_the_generation_image_has_the_catalog_and_what_probes_call(
    engine: Engine, runtime: str
) -> None:
    said = shell(engine, runtime, "command -v wget; id -u; ls /opt/catalog; stat -c %u /models")
    assert said[:2] == ["/usr/bin/wget", str(UID)]
    assert {"demo-tiny.yaml", "qwen2.5-vl-3b-instruct.yaml"} <= set(said)
    assert said[-1] == str(UID)


def test_serving_models_asks_for_a_config(engine: Engine, runtime: str) -> None:
    ended = engine.run(runtime, check=False)
    assert ended.returncode == 2
    # podman may say something of its own before, where there is no systemd.
    assert "serve-models: name a Serve config" in ended.stderr
