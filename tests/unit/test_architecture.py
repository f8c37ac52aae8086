"""The import contracts catch what they are there to catch."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]

# A module that must not exist, and the contract that refuses it.
PLANTED = [
    ("services/core/planted.py", "import services.rpc.limits", "Rooms depend one way only"),
    ("services/generation/planted.py", "import services.scoring", "Rooms depend one way only"),
    ("services/scoring/planted.py", "import services.sweep", "Rooms depend one way only"),
    ("services/sweep/planted.py", "import services.cli", "Rooms depend one way only"),
    ("services/metrics/planted.py", "import grpc", "The core is pure"),
    ("services/benchmark/planted.py", "import ray", "The core is pure"),
    ("services/core/planted.py", "import expart.common.v1", "The core is pure"),
    (
        "services/sweep/results/planted.py",
        "import services.sweep.plan",
        "The parts of the sweep depend one way only",
    ),
    ("services/sweep/run/planted.py", "import vllm", "Engines stay inside generation"),
    ("services/rpc/planted.py", "import torch", "Engines stay inside generation"),
    (
        "services/rpc/planted.py",
        "import opentelemetry.trace",
        "OpenTelemetry stays inside one module",
    ),
    ("services/undeclared/__init__.py", "", "Rooms depend one way only"),
]


def lint(checkout: Path) -> subprocess.CompletedProcess[str]:
    # Import packages from the copy, not from the installed checkout.
    script = (
        "import sys; sys.path[:0] = ['.', 'protos/gen']; "
        "from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", script], cwd=checkout, capture_output=True, text=True, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("services", "protos/gen"):
        shutil.copytree(
            PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_checkout_keeps_its_contracts(checkout: Path) -> None:
    result = lint(checkout)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(("module", "code", "contract"), PLANTED)
def test_a_planted_violation_is_caught(
    checkout: Path, module: str, code: str, contract: str
) -> None:
    planted = checkout / module
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(code + "\n", encoding="utf-8")
    result = lint(checkout)
    assert result.returncode != 0
    assert f"{contract} BROKEN" in result.stdout or planted.parent.name in result.stdout
