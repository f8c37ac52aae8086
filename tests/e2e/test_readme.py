"""What the README shows is run here, word for word, against the real stack."""

import doctest
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT, LocalStack

README = (PROJECT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return str(found)


def environment() -> dict[str, str]:
    """As if the virtual environment were activated."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run(command: list[str], quickstart: LocalStack) -> str:
    result = subprocess.run(
        command,
        cwd=PROJECT,
        env={**environment(), "GENERATION": quickstart.generation, "SCORING": quickstart.scoring},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.stack
@pytest.mark.slow
def test_the_calls_with_grpcurl_answer(quickstart: LocalStack) -> None:
    output = run(["bash", "-euo", "pipefail", "-c", block("sh grpcurl")], quickstart)
    assert "expart.generation.v1.GenerationService" in output
    assert '"SERVING"' in output
    assert '"MODEL_STATE_READY"' in output
    answer, scores = (json.loads(part) for part in _last_two_objects(output))
    assert answer["text"]
    assert answer["completion"]["provenance"]["engine"] == "vllm"
    by_name = {score["metric"]: score for score in scores["scores"]}
    # Both entities occur in the candidate.
    assert by_name["ec_exact"]["value"] == 1


def _last_two_objects(output: str) -> list[str]:
    return re.findall(r"^\{$.*?^\}$", output, flags=re.MULTILINE | re.DOTALL)[-2:]


@pytest.mark.stack
@pytest.mark.slow
def test_the_ten_lines_of_python_print_an_explanation(quickstart: LocalStack) -> None:
    code = block("python")
    # Ten, blank lines and sorted imports aside.
    assert len([line for line in code.splitlines() if line]) <= 11
    output = run([sys.executable, "-c", code], quickstart)
    assert "generated_token_count" in output
    assert 'model: "demo-smol"' in output


@pytest.mark.slow
def test_the_file_is_scored_as_shown(tmp_path: Path) -> None:
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block("sh score")],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    table = (
        "metric     mean       P"
        + README.partition("metric     mean       P")[2].partition("```")[0]
    )
    assert table in result.stdout
    assert "rouge_l|measure:f1" in result.stdout
    assert (tmp_path / "scores.parquet").exists()


def test_the_metrics_give_what_is_shown() -> None:
    example = doctest.DocTestParser().get_doctest(block("pycon"), {}, "README", "README.md", 0)
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


def test_every_target_the_readme_names_is_in_the_makefile() -> None:
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:^|`)make ([a-z-]+)", README, flags=re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_every_file_the_readme_links_to_exists() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (PROJECT / link).exists(), link
