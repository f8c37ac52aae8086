"""The entries under deploy/models, and what documents them."""

import json
import re
from pathlib import Path

import jinja2
import pytest

from services.generation.catalog import ModelSpec, load_catalog
from services.generation.catalog_check import Verdict, check_folder
from services.generation.catalog_document import catalog_document
from services.generation.installed_engines import read_installed_engines

FOLDER = Path(__file__).parents[3] / "deploy" / "models"
CATALOG = load_catalog(FOLDER, Path("/models"))
GIB = 2**30
WRITER = "services.generation.catalog_document"

# One of each family that ExpArt work uses, and the engine that can run it with the locked versions.
FAMILIES = {
    "llava-next-vicuna-7b": "vllm",
    "llava-next-vicuna-13b": "vllm",
    "llava-next-mistral-7b": "vllm",
    "llava-next-34b": "vllm",
    "llava-1.5-7b": "vllm",
    "qwen-vl-chat": "openai",
    "qwen2.5-vl-7b-instruct": "vllm",
    "qwen3-vl-8b-instruct": "vllm",
    "internvl3-8b": "vllm",
    "idefics3-8b": "vllm",
    "smolvlm-instruct": "vllm",
    "phi-3.5-vision-instruct": "vllm",
    "gemma-3-12b-it": "vllm",
    "llama-3.2-11b-vision-instruct": "transformers",
    "instructblip-vicuna-7b": "transformers",
    "yi-vl-6b": "openai",
    "mplug-owl2": "openai",
    "gpt-4o": "openai",
}


def test_every_family_has_an_entry() -> None:
    found = {name: CATALOG.get(name).engine for name in FAMILIES}
    assert found == FAMILIES


@pytest.mark.parametrize("spec", CATALOG, ids=lambda spec: str(spec.name))
def test_an_entry_is_named_as_its_file(spec: ModelSpec) -> None:
    assert (FOLDER / f"{spec.name}.yaml").is_file()
    assert spec.description


def test_the_installed_engines_know_every_model() -> None:
    installed = read_installed_engines()
    assert installed.vllm is not None
    assert installed.transformers is not None
    checks = check_folder(FOLDER, FOLDER, installed)
    wrong = {check.name: check.findings for check in checks if check.verdict is Verdict.WRONG}
    assert wrong == {}


def test_only_what_runs_foreign_code_deserves_a_warning() -> None:
    checks = check_folder(FOLDER, FOLDER, read_installed_engines())
    warned = {
        check.name
        for check in checks
        # The demo models are assembled on a machine, so that their folders may be missing.
        if check.verdict is Verdict.WARNING and not check.name.startswith("demo-")
    }
    assert warned == {"phi-3.5-vision-instruct"}
    trusting = {spec.name for spec in CATALOG if spec.trust_remote_code}
    assert trusting == {"phi-3.5-vision-instruct"}


@pytest.mark.parametrize(
    "spec", [spec for spec in CATALOG if spec.num_gpus], ids=lambda spec: str(spec.name)
)
def test_a_model_for_gpus_says_how_large_they_must_be_and_gives_them_back(spec: ModelSpec) -> None:
    assert spec.parameter_count is not None
    assert spec.memory_gib is not None
    # 16 bits a parameter, and 2 GiB a GPU; the rest is for the KV cache.
    assert spec.memory_gib >= spec.parameter_count * 2 / GIB + 2 * spec.num_gpus
    # A GPU has 80 GB or less, of which vLLM takes nine tenths.
    assert spec.memory_gib / spec.num_gpus <= 0.9 * 80e9 / GIB
    assert spec.scaling.min_replicas == 0
    assert spec.scaling.upscale_delay_s <= 10


def test_what_somebody_else_must_provide_is_said() -> None:
    for spec in CATALOG:
        if spec.engine == "openai":
            assert spec.requires, spec.name


def test_instructblip_gets_the_bare_instruction() -> None:
    source = CATALOG.get("instructblip-vicuna-7b").chat_template
    assert source is not None
    template = jinja2.Template(source)
    parts = [{"type": "image"}, {"type": "text", "text": "Explain this artwork."}]
    asked = [{"role": "user", "content": parts}]
    assert template.render(messages=asked) == "Explain this artwork."
    asked = [{"role": "system", "content": "Be brief."}, *asked]
    assert template.render(messages=asked) == "Be brief.\nExplain this artwork."


class TestDocuments:
    def test_the_readme_lists_the_keys_as_they_are(self) -> None:
        readme = (FOLDER / "README.md").read_text(encoding="utf-8")
        assert catalog_document().readme_with_keys(readme) == readme, "run python -m " + WRITER
        for name in ModelSpec.model_fields:
            assert f"| `{name}` |" in readme

    def test_the_schema_is_current(self) -> None:
        written = (FOLDER / "model.schema.json").read_text(encoding="utf-8")
        assert written == catalog_document().schema_text(), "run python -m " + WRITER
        assert json.loads(written)["additionalProperties"] is False

    def test_links_of_the_readme_lead_somewhere(self) -> None:
        readme = (FOLDER / "README.md").read_text(encoding="utf-8")
        headings = {line.lstrip("# ").lower() for line in readme.splitlines() if line[:1] == "#"}
        for target in re.findall(r"\]\(([^)]+)\)", readme):
            if target.startswith("#"):
                assert target[1:].replace("-", " ") in headings
            else:
                assert (FOLDER / target).is_file(), target

    def test_a_readme_without_its_marks_is_refused(self) -> None:
        with pytest.raises(ValueError, match="lacks the line"):
            catalog_document().readme_with_keys("# The model catalog\n")
