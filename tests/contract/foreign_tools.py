"""Runs the programs of others: grpcurl, buf and Node, with what they need installed."""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
CLIENTS = PROJECT / "deploy" / "clients"
TOOLS = Path(sys.executable).parent
TIMEOUT_S = 60.0
SERVICE = "expart.generation.v1.GenerationService"


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended."""

    code: int
    out: str
    errors: str


def environment(**variables: str) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{TOOLS}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "protos" / "gen")]),
        **variables,
    }


async def run(*command: str | Path, stdin: bytes = b"", **variables: str) -> Ended:
    """Runs a program to its end; one that has none is killed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**variables),
        cwd=PROJECT,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            out, errors = await process.communicate(stdin)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), errors.decode())


def node_modules() -> Path:
    """Installs what the Node client needs, as its lock file says, outside the repository's tree."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed here")
    source = CLIENTS / "node"
    lock = (source / "package-lock.json").read_bytes()
    folder = PROJECT / "var" / "node" / hashlib.sha256(lock).hexdigest()[:16]
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder)
        installed = subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert installed.returncode == 0, installed.stderr
        (folder / "done").touch()
    return folder / "node_modules"
