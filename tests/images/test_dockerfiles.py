"""What can be said of Dockerfiles and the compose file without building anything."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from services.generation.settings import GenerationSettings
from services.scoring.settings import ScoringSettings

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "deploy" / "docker"
DOCKERFILES = sorted(FOLDER.glob("*.Dockerfile"))
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
OURS = ("generation", "scoring", "sweep")
# Instructions that leave a setting in the image's last stage.
_VARIABLE = re.compile(r"^\s+(?:ENV )?(EXPART_[A-Z_]+)=", re.MULTILINE)


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.Dockerfile").read_text(encoding="utf-8")


def stages(text: str) -> list[str]:
    """The stages of a Dockerfile, each from its FROM on."""
    return re.split(r"(?m)^(?=FROM )", text)[1:]


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=names(DOCKERFILES))
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    ended = hadolint(dockerfile)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_hadolint_finds_what_is_wrong(tmp_path: Path) -> None:
    # An image without a tag, DL3006, and a package without a version, DL3008.
    wrong = tmp_path / "Dockerfile"
    wrong.write_text("FROM debian\nRUN apt-get install -y gcc\n", encoding="utf-8")
    ended = hadolint(wrong)
    assert ended.returncode == 1
    assert {"DL3006", "DL3008"} <= set(re.findall(r"DL\d+", ended.stdout))


def hadolint(dockerfile: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("hadolint")
    return subprocess.run([program, dockerfile], capture_output=True, text=True, check=False)


def test_the_small_images_share_the_stage_that_installs() -> None:
    scoring, driver = (stages(text_of(name)) for name in ("scoring", "driver"))
    assert scoring[0] == driver[0]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=names(DOCKERFILES))
def test_every_image_begins_with_the_base_that_the_build_is_given(dockerfile: Path) -> None:
    text = dockerfile.read_text(encoding="utf-8")
    own = set(re.findall(r"(?m)^FROM \S+ AS (\S+)$", text))
    begun = set(re.findall(r"(?m)^FROM (\S+)", text))
    assert begun <= own | {"${BASE}"}
    assert "ARG BASE=docker.io/library/python:3.11-slim" in text


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=names(DOCKERFILES))
def test_every_image_runs_as_another_user_than_root(dockerfile: Path) -> None:
    users = re.findall(r"(?m)^USER (\S+)$", dockerfile.read_text(encoding="utf-8"))
    assert users[-1] == "10001:10001"


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=names(DOCKERFILES))
def test_every_lock_that_an_image_installs_exists(dockerfile: Path) -> None:
    text = dockerfile.read_text(encoding="utf-8")
    named = set(re.findall(r"locks/([a-z]+)\.txt", text))
    named |= set(re.findall(r"(?m)^ARG LOCK=(\S+)$", text))
    if "${LOCK}" in text:
        named.add("encoder")
    assert named
    assert all((PROJECT / "deploy" / "locks" / f"{name}.txt").is_file() for name in named)


def test_every_variable_of_an_image_is_a_setting() -> None:
    known = {f"EXPART_GENERATION_{name}".upper() for name in GenerationSettings.model_fields}
    known |= {f"EXPART_SCORING_{name}".upper() for name in ScoringSettings.model_fields}
    known.add("EXPART_CLI_LOG_FOLDER")
    used = {name for file in DOCKERFILES for name in _VARIABLE.findall(file.read_text("utf-8"))}
    for service in OURS:
        used |= set(COMPOSE["services"][service].get("environment", {}))
    assert used - known == set()
    assert {"EXPART_SCORING_ADDRESS", "EXPART_GENERATION_METRICS_PORT"} <= used


def test_the_image_for_gpus_asks_for_none_by_itself() -> None:
    # A pod that requests no GPU would be given all of its node's.
    variables = re.findall(r"(?m)^(?:ENV|   ) ([A-Z_]+)=", stages(text_of("generation"))[-1])
    assert "NVIDIA_DRIVER_CAPABILITIES" in variables
    assert "NVIDIA_VISIBLE_DEVICES" not in variables


def test_the_compose_file_has_the_shape_that_docker_takes(tmp_path: Path) -> None:
    right = check_compose(FOLDER / "compose.yaml")
    assert right.returncode == 0, right.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text("services: {scoring: {imagee: expart-scoring}}", encoding="utf-8")
    assert "imagee" in check_compose(wrong).stdout


def check_compose(file: Path) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
    return subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)


def test_every_file_that_the_compose_file_mounts_or_builds_exists() -> None:
    places = [FOLDER / "../.." / COMPOSE["services"][name]["build"]["dockerfile"] for name in OURS]
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                places.append(FOLDER / source)
            else:
                assert source in COMPOSE["volumes"]
    assert [str(place) for place in places if not place.exists()] == []


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_every_service_of_the_compose_file_is_confined(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(place.startswith("/tmp") for place in service["tmpfs"])
    # Reached from this laptop alone.
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
