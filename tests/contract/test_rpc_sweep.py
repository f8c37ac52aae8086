"""``expart sweep run`` against services that ask for TLS, a certificate and a token."""

import asyncio
import json
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.cli.settings import child_environment
from tests.certificates import Authority
from tests.contract.rpc_services import secured_service
from tests.contract.test_rpc_tokens import ALICE, BOB, secret, token_file

PROJECT = Path(__file__).parents[2]
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Stack:
    """Both services, and the options of a client that they let in."""

    folder: Path
    addresses: tuple[str, ...]
    options: dict[str, str]


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    authority = Authority.make(tmp_path / "authority")
    shown, mine = authority.issue("service"), authority.issue("sweeper")
    settings = {
        "tls_certificate_file": shown.certificate,
        "tls_key_file": shown.key,
        "tls_client_ca_file": authority.file,
        "token_file": token_file(tmp_path, alice=ALICE),
    }
    async with AsyncExitStack() as services:
        generation, scoring = [
            await services.enter_async_context(secured_service(kind, tmp_path, **settings))
            for kind in ("generation", "scoring")
        ]
        yield Stack(
            tmp_path,
            ("--generation", generation.address, "--scoring", scoring.address),
            {
                "--tls-ca": str(authority.file),
                "--tls-certificate": str(mine.certificate),
                "--tls-key": str(mine.key),
                "--token-file": str(secret(tmp_path, ALICE)),
            },
        )


async def sweep(stack: Stack, options: dict[str, str], **variables: str) -> tuple[int, str]:
    """Runs a sweep of two questions; its exit code and what it wrote for people to read."""
    spec = {
        "dataset": {"folder": str(PROJECT / "deploy" / "expart_mini")},
        "models": ["model"],
        "sampling": {"max_tokens": 8, "temperature": 0},
        "limits": {"max_questions_per_split": 1},
        "output": "out",
    }
    (stack.folder / "sweep.yaml").write_text(json.dumps(spec))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.cli", "sweep", "run", str(stack.folder / "sweep.yaml")),
        *stack.addresses,
        *(word for option in options.items() for word in option),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=PROJECT,
        env=child_environment(EXPART_CLI_LOG_FOLDER=str(stack.folder / "log"), **variables),
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            _, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, stderr.decode()


async def test_a_sweep_goes_through_with_options_or_with_the_environment(stack: Stack) -> None:
    assert await sweep(stack, stack.options) == (0, "")
    names = {
        "EXPART_CLI_TLS_CA_FILE": "--tls-ca",
        "EXPART_CLI_TLS_CERTIFICATE_FILE": "--tls-certificate",
        "EXPART_CLI_TLS_KEY_FILE": "--tls-key",
        "EXPART_CLI_TOKEN_FILE": "--token-file",
    }
    shutil.rmtree(stack.folder / "out")
    variables = {name: stack.options[option] for name, option in names.items()}
    assert await sweep(stack, {}, **variables) == (0, "")


@pytest.mark.parametrize(
    ("left_out", "code", "advice"),
    [
        (("--token-file",), 2, "the call carries no token; send the metadata"),
        (("--tls-ca",), 2, "the service's certificate is not trusted here: name the authority"),
        (("--tls-certificate", "--tls-key"), 1, "does the service ask for TLS or for a client's"),
        (("--tls-key",), 2, "a TLS certificate is given without its key; give both"),
    ],
)
async def test_what_is_missing_is_said_in_one_line_at_once(
    stack: Stack, left_out: tuple[str, ...], code: int, advice: str
) -> None:
    options = {name: value for name, value in stack.options.items() if name not in left_out}
    ended, said = await sweep(stack, options)
    assert ended == code
    (line,) = said.splitlines()
    assert line.startswith("expart: error: ")
    assert advice in line


async def test_a_token_that_is_not_known_is_said_at_once(stack: Stack) -> None:
    wrong = {**stack.options, "--token-file": str(secret(stack.folder, BOB))}
    code, said = await sweep(stack, wrong)
    assert code == 2
    assert re.fullmatch(
        r"expart: error: the generation service at \S+: the token is not known here; "
        r"ask for a valid one\n",
        said,
    )
