"""The examples of deploy/clients do what they say, and say what is wrong."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.contract.foreign_tools import CLIENTS, Ended, node_modules, run
from tests.contract.generation_front import RunningFront, generation_front
from tests.unit.generation.builders import picture, scripted_spec

TOKEN = "a-token-of-more-than-twenty-characters"
EXAMPLES = {
    "explain.py": ("python", CLIENTS / "python" / "explain.py"),
    "explain_many.py": ("python", CLIENTS / "python" / "explain_many.py"),
    "raw_stubs.py": ("python", CLIENTS / "python" / "raw_stubs.py"),
    "explain.js": ("node", CLIENTS / "node" / "explain.js"),
    "explain.sh": ("bash", CLIENTS / "shell" / "explain.sh"),
    "explain.sh with buf": ("bash", CLIENTS / "shell" / "explain.sh"),
}
SECURED = ["explain.py", "explain.js", "explain.sh", "explain.sh with buf"]


@pytest.fixture
async def front() -> AsyncIterator[RunningFront]:
    async with generation_front(scripted_spec("a-model", max_model_len=60)) as running:
        yield running


async def example(
    name: str, folder: Path, address: str, model: str, *instructions: str, **variables: str
) -> Ended:
    image = folder / "artwork.png"
    image.write_bytes(picture().data)
    if name == "explain.js":
        variables["NODE_PATH"] = str(node_modules())
    if name == "explain.sh with buf":
        variables["TOOL"] = "buf"
    return await run(*EXAMPLES[name], address, model, image, *instructions, **variables)


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_prints_the_explanation_and_what_ran(
    name: str, front: RunningFront, tmp_path: Path
) -> None:
    ended = await example(name, tmp_path, front.address, "a-model", 'Explain "it".')
    assert ended.code == 0, ended.errors
    assert ended.out.strip()
    if name != "explain_many.py":
        assert "sha256:" in ended.out + ended.errors


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_says_what_is_wrong(
    name: str, front: RunningFront, tmp_path: Path
) -> None:
    ended = await example(name, tmp_path, front.address, "nope", "Explain.")
    assert "no model named 'nope'" in ended.out + ended.errors
    assert (ended.code == 0) == (name == "explain_many.py")
    assert "Traceback" not in ended.errors


@pytest.mark.parametrize("name", SECURED)
async def test_an_example_uses_tls_and_a_token(name: str, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    pair = authority.issue("service")
    (tmp_path / "tokens").write_text(f"alice {TOKEN}\n", encoding="utf-8")
    (tmp_path / "token").write_text(TOKEN, encoding="utf-8")
    async with generation_front(
        scripted_spec("a-model", max_model_len=60),
        tls_certificate_file=pair.certificate,
        tls_key_file=pair.key,
        token_file=tmp_path / "tokens",
    ) as front:
        ended = await example(
            name,
            tmp_path,
            front.address,
            "a-model",
            "Explain.",
            EXPART_CA=str(authority.file),
            EXPART_TOKEN=TOKEN,
            EXPART_TOKEN_FILE=str(tmp_path / "token"),
        )
    assert ended.code == 0, ended.errors


async def test_many_questions_are_answered_in_their_order(
    front: RunningFront, tmp_path: Path
) -> None:
    questions = [f"Explain part {number}." for number in range(5)]
    together = await example("explain_many.py", tmp_path, front.address, "a-model", *questions)
    answers = together.out.splitlines()
    assert len(set(answers)) == 5
    alone = await example("explain_many.py", tmp_path, front.address, "a-model", questions[3])
    assert alone.out.splitlines() == [answers[3]]


@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"explain_many.py"}))
async def test_an_example_without_its_arguments_says_which(name: str) -> None:
    variables = {"NODE_PATH": str(node_modules())} if name == "explain.js" else {}
    ended = await run(*EXAMPLES[name], **variables)
    assert "ADDRESS MODEL IMAGE INSTRUCTION" in ended.errors
    assert ended.code != 0


def test_the_readme_names_every_example() -> None:
    text = (CLIENTS / "README.md").read_text(encoding="utf-8")
    for _, path in EXAMPLES.values():
        assert f"({path.relative_to(CLIENTS)})" in text
