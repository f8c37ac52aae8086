"""What helm test runs in its pods finds services that work, and those that do not."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.generation.domain import ModelCondition, ModelState
from tests.certificates import Authority
from tests.contract.foreign_tools import PROJECT, Ended, run
from tests.contract.generation_front import generation_front
from tests.contract.scoring_server import ScoringServer, scoring_server
from tests.unit.generation.builders import scripted_spec

CHECKS = PROJECT / "helm" / "expart-serving" / "checks"
TOKEN = "a-token-of-more-than-twenty-characters"


async def check(script: str, address: str, **variables: str) -> Ended:
    """Runs a script as its pod does: as the text of ``python -c``."""
    text = (CHECKS / script).read_text(encoding="utf-8")
    return await run(sys.executable, "-c", text, address, **variables)


@pytest.fixture(scope="module")
def scoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScoringServer]:
    with scoring_server(tmp_path_factory.mktemp("scoring")) as server:
        yield server


async def test_models_are_listed_with_their_states() -> None:
    async with generation_front(scripted_spec("one"), scripted_spec("two")) as front:
        ended = await check("ask_generation.py", front.address)
    assert ended.code == 0, ended.errors
    assert [line.split()[:2] for line in ended.out.splitlines()] == [
        ["one", "ready"],
        ["two", "ready"],
    ]


async def test_a_model_that_could_not_be_loaded_is_told_with_its_reason() -> None:
    failed = ModelCondition(ModelState.FAILED, "there are no weights")
    async with generation_front(
        scripted_spec("one"), scripted_spec("two"), arranged={"two": failed}
    ) as front:
        ended = await check("ask_generation.py", front.address)
    assert ended.code == 1
    assert "two failed there are no weights" in ended.out


async def test_tls_and_a_token_come_from_the_pod_s_variables(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    pair = authority.issue("service")
    (tmp_path / "tokens").write_text(f"alice {TOKEN}\n", encoding="utf-8")
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    variables = {
        "EXPART_CLI_TLS": "true",
        "EXPART_CLI_TLS_CA_FILE": str(authority.file),
        "EXPART_CLI_TOKEN_FILE": str(tmp_path / "token"),
    }
    async with generation_front(
        scripted_spec("one"),
        tls_certificate_file=pair.certificate,
        tls_key_file=pair.key,
        token_file=tmp_path / "tokens",
    ) as front:
        ended = await check("ask_generation.py", front.address, **variables)
        del variables["EXPART_CLI_TOKEN_FILE"]
        without_token = await check("ask_generation.py", front.address, **variables)
    assert ended.code == 0, ended.errors
    assert without_token.code == 1
    assert "token" in without_token.errors


async def test_a_text_is_scored_as_it_must_be(scoring: ScoringServer) -> None:
    ended = await check("score_text.py", scoring.address)
    assert ended.code == 0, ended.errors
    assert ended.out.startswith("ec_exact 0.5 ")


@pytest.mark.parametrize("script", ["ask_generation.py", "score_text.py"])
async def test_a_service_that_is_not_there_is_one_line(script: str, unused_port: int) -> None:
    # The check of the generation service waits for one that is starting, as a client does.
    text = (CHECKS / script).read_text(encoding="utf-8").replace("_S = 60.0", "_S = 1.0")
    ended = await run(sys.executable, "-c", text, f"127.0.0.1:{unused_port}")
    assert ended.code == 1
    assert len(ended.errors.splitlines()) == 1, ended.errors
