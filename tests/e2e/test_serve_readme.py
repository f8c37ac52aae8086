"""What deploy/serve/README.md shows is run here, word for word, on a machine of its own.

``ray start`` takes fixed ports and ``ray stop`` ends every Ray that it sees. So the commands run in
namespaces of Linux in which there are no other processes and no other network.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from services.generation.catalog import Catalog
from services.generation.serve_config import as_yaml, serve_config
from tests.conftest import DEMO_MODELS, PROJECT
from tests.unit.generation.builders import scripted_spec

pytestmark = pytest.mark.slow

README = (PROJECT / "deploy" / "serve" / "README.md").read_text(encoding="utf-8")
SHIPPED = PROJECT / "deploy" / "serve" / "config.yaml"
TIMEOUT_S = 240

# Root in a user namespace of its own, where it is not root already.
ALONE = ["unshare", *(["--map-root-user"] * (os.geteuid() != 0)), "--pid", "--net", "--fork"]
ALONE += ["--mount-proc", "--kill-child"]
LOOPBACK = """
import fcntl, socket, struct
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
"""


# `ray stop` returns while the last of what it ended is still on its way; `sleep` lets the shell,
# which is everybody's parent here, take notice of their ends.
COUNT_PROCESSES = """
for _ in {1..100}; do
  left=(/proc/[0-9]*)
  if (( ${#left[@]} == 1 )); then break; fi
  sleep 0.1
done
for process in "${left[@]}"; do tr '\\0' ' ' <$process/cmdline || true; echo; done
echo processes left: ${#left[@]}
"""


def block(name: str) -> str:
    (found,) = re.findall(rf"^```sh {name}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def checkout() -> Iterator[Path]:
    """Stands in for the checkout: its environment, and models of the same names that load fast."""
    # Short: paths of Ray's Unix sockets below it have at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="ray-"))
    (folder / "Makefile").write_text("models:\n", encoding="utf-8")
    (folder / ".venv").symlink_to(sys.prefix)
    (folder / "deploy" / "serve").mkdir(parents=True)
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    settings = shipped["applications"][0]["args"]["settings"]
    catalog = Catalog({name: scripted_spec(name) for name in DEMO_MODELS})
    config = as_yaml(serve_config(catalog, settings, Path("/models")))
    (folder / "deploy" / "serve" / "config.yaml").write_text(config, encoding="utf-8")
    yield folder
    shutil.rmtree(folder)


def can_be_alone() -> bool:
    if shutil.which(ALONE[0]) is None:
        return False
    return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.stack
@pytest.mark.skipif(
    not can_be_alone(),
    reason="there are no namespaces for us here, and ray stop would end other Rays",
)
def test_models_are_deployed_to_a_cluster_as_shown(checkout: Path) -> None:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RAY_", "EXPART_"))
    }
    lines = [
        f"{sys.executable} -c '{LOOPBACK}'",
        block("cluster"),
        COUNT_PROCESSES,
    ]
    result = subprocess.run(
        [*ALONE, "bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        cwd=checkout,
        env={**inherited, "RAY_TMPDIR": str(checkout), "RAY_USAGE_STATS_ENABLED": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert result.returncode == 0, result.stdout
    (listed,) = re.findall(r"^\{$.*?^\}$", result.stdout, flags=re.MULTILINE | re.DOTALL)
    states = {model["name"]: model["state"] for model in json.loads(listed)["models"]}
    assert states == dict.fromkeys(DEMO_MODELS, "MODEL_STATE_READY"), result.stdout
    # The shell itself.
    assert result.stdout.endswith("processes left: 1\n"), result.stdout


def test_a_config_is_made_as_shown(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block("config")],
        cwd=tmp_path,
        env=environment,
        check=True,
        timeout=60,
    )
    config = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    names = [application["name"] for application in config["applications"]]
    assert names == ["front", "model-llava-1.5-7b", "model-qwen2.5-vl-3b-instruct"]
