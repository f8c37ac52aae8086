"""What the README of services.rpc shows is run here, word for word."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.settings import child_environment
from services.rpc.settings import RpcSettings
from tests.contract.scoring_server import wait_until

PROJECT = Path(__file__).parents[2]
README = (PROJECT / "services" / "rpc" / "README.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    (found,) = re.findall(rf"^```{name}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return str(found)


def environment(**variables: str) -> dict[str, str]:
    tools = Path(sys.executable).parent
    path = child_environment().get("PATH", "")
    return child_environment(PYTHONPATH=str(PROJECT), PATH=f"{tools}:{path}", **variables)


def shell(name: str) -> list[str]:
    return ["bash", "-euo", "pipefail", "-c", block(name)]


def run(command: list[str], folder: Path, **variables: str) -> str:
    result = subprocess.run(
        command,
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_files_the_service_and_every_client_work_as_shown(tmp_path: Path) -> None:
    run(shell("sh files"), tmp_path)
    address_file = tmp_path / "address"
    with (tmp_path / "log").open("wb") as log:
        service = subprocess.Popen(
            shell("sh service"),
            cwd=tmp_path,
            env=environment(
                EXPART_SCORING_WORKERS="1", EXPART_SCORING_ADDRESS_FILE=str(address_file)
            ),
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: address_file.exists() or service.poll() is not None, "no start")
        assert service.poll() is None, (tmp_path / "log").read_text()
        scoring = address_file.read_text()

        assert '"ec_exact"' in run(shell("sh grpcurl"), tmp_path, SCORING=scoring)
        for name, shown in (("python grpc", "ec_exact"), ("python expart", "metrics")):
            assert shown in run([sys.executable, "-c", block(name)], tmp_path, SCORING=scoring)
    finally:
        service.terminate()
        assert service.wait(30) == 0
    assert '"client": "sweeper"' in (tmp_path / "log").read_text()


def test_the_options_shown_are_those_of_the_command(tmp_path: Path) -> None:
    shown = set(re.findall(r"--[a-z-]+", block("sh expart")))
    assert shown > {"--tls-ca", "--token-file"}
    told = run([sys.executable, "-m", "services.cli", "sweep", "run", "--help"], tmp_path)
    for option in {*shown, "--tls-server-name", "--tls"}:
        assert re.search(rf"{option}\b", told), option


@pytest.mark.parametrize("name", RpcSettings.model_fields)
def test_every_setting_is_in_the_table(name: str) -> None:
    assert f"`{name.upper()}`" in README


@pytest.mark.parametrize(
    "name", [name for name, field in RpcSettings.model_fields.items() if field.default]
)
def test_every_default_in_the_table_is_true(name: str) -> None:
    (row,) = re.findall(rf"^\| `{name.upper()}` \| (\S+) \|", README, flags=re.MULTILINE)
    assert float(row) == RpcSettings.model_fields[name].default
