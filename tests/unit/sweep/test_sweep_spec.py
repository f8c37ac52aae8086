"""Reading sweep specs: right ones, and one clear line for every wrong one."""

from pathlib import Path

import pytest
import yaml

from expart.generation.v1.generation_service_pb2 import SamplingParameters
from services.benchmark.records import Setting, Split
from services.core.errors import UserInputError
from services.sweep.plan.estimate import (
    CHARS_PER_TOKEN,
    IMAGE_TOKENS,
    OUTPUT_TOKENS,
    TEMPLATE_TOKENS,
    TOKENS_PER_S,
)
from services.sweep.results.keys import KEY_VERSION
from services.sweep.run.settings import load_settings
from services.sweep.spec.controls import Control
from services.sweep.spec.document import spec_document
from services.sweep.spec.spec import FiltersSpec, LimitsSpec, SamplingSpec, SweepSpec, load_spec

PROJECT = Path(__file__).resolve().parents[3]
LEAST: dict[str, object] = {"dataset": {"folder": "data"}, "models": ["a"], "output": "out"}


def write(folder: Path, spec: object) -> Path:
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump(spec))
    return file


def failure(file: Path) -> str:
    with pytest.raises(UserInputError) as caught:
        load_spec(file)
    assert str(file) in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.message


def test_the_least_spec_asks_both_test_parts_in_both_settings(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, LEAST))
    assert spec.splits == (Split.TEST_SEEN, Split.TEST_UNSEEN)
    assert spec.settings == (Setting.WITH_TITLE, Setting.WITHOUT_TITLE)
    assert [choice.label for choice in spec.models] == ["a"]
    assert spec.sampling == SamplingSpec()


def test_paths_are_relative_to_the_spec_file(tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    declared = {**LEAST, "dataset": {"folder": "../data", "image_folder": "/abs/images"}}
    spec = load_spec(write(tmp_path / "specs", declared))
    assert spec.dataset.folder == tmp_path / "data"
    assert spec.dataset.image_folder == Path("/abs/images")
    assert spec.dataset.mapping is None
    assert spec.output == str(tmp_path / "specs" / "out")


def test_an_output_may_be_a_uri(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, {**LEAST, "output": "s3://bucket/prefix/"}))
    assert spec.output == "s3://bucket/prefix"


def test_a_sweep_is_named_like_its_file_unless_it_has_a_name(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path, LEAST)).name == "sweep"
    (tmp_path / "sweep.yaml").rename(tmp_path / "mine.yaml")
    assert load_spec(tmp_path / "mine.yaml").name == "mine"
    assert load_spec(write(tmp_path, {**LEAST, "name": "own"})).name == "own"


def test_one_sampling_is_the_default_one_and_several_have_names(tmp_path: Path) -> None:
    one = load_spec(write(tmp_path, {**LEAST, "sampling": {"temperature": 0}}))
    assert one.named_samplings == {"default": SamplingSpec(temperature=0)}
    several = {"cold": {"temperature": 0}, "warm": {"temperature": 1}}
    spec = load_spec(write(tmp_path, {**LEAST, "samplings": several}))
    assert list(spec.named_samplings) == ["cold", "warm"]


def test_a_key_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text("output: a\nmodels: [a]\ndataset:\n  folder: b\noutput: c\n")
    assert "line 5 gives the key 'output' again" in failure(file)


def test_a_model_may_be_named_with_an_adapter(tmp_path: Path) -> None:
    models = ["a", {"model": "a", "adapter": "b"}]
    spec = load_spec(write(tmp_path, {**LEAST, "models": models}))
    assert [choice.label for choice in spec.models] == ["a", "a+b"]


@pytest.mark.parametrize(
    ("change", "key", "suggestion"),
    [
        ({"modells": ["a"]}, "modells", "models"),
        ({"dataset": {"folder": "data", "maping": "m.yaml"}}, "dataset.maping", "mapping"),
        ({"sampling": {"max_token": 5}}, "sampling.max_token", "max_tokens"),
        ({"models": [{"model": "a", "adaptor": "b"}]}, "models.0.adaptor", "adapter"),
        ({"limits": {"max_question_per_split": 5}}, "limits.max_question_per_split", "max_"),
        ({"filters": {"artwork": ["x"]}}, "filters.artwork", "artworks"),
        ({"prompts": {"p": {"templat": "x"}}}, "prompts.p.templat", "template"),
        ({"samplings": {"s": {"temprature": 1}}}, "samplings.s.temprature", "temperature"),
        ({"prices": {"curency": "EUR"}}, "prices.curency", "currency"),
        ({"prices": {"models": {"a": {"input": 1}}}}, "prices.models.a.input", "input_per_"),
        # Known, but at another level.
        ({"temperature": 0}, "temperature", "sampling.temperature"),
        ({"system_text": "x"}, "system_text", "prompts.NAME.system_text"),
        ({"dataset": {"folder": "data", "output": "x"}}, "dataset.output", "output"),
        ({"per_gpu_hour": 1}, "per_gpu_hour", "prices.models.NAME.per_gpu_hour"),
    ],
)
def test_a_misspelt_key_is_named_with_the_nearest_right_one(
    tmp_path: Path, change: dict[str, object], key: str, suggestion: str
) -> None:
    message = failure(write(tmp_path, {**LEAST, **change}))
    assert f"unknown key '{key}'; did you mean '{suggestion}" in message


def test_a_key_like_no_other_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    message = failure(write(tmp_path, {**LEAST, "sampling": {"zzz": 1}}))
    assert "unknown key 'sampling.zzz'; known keys: max_tokens, temperature" in message


@pytest.mark.parametrize("key", sorted(LEAST))
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    declared = {name: value for name, value in LEAST.items() if name != key}
    assert f"key '{key}' is missing" in failure(write(tmp_path, declared))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sampling": {"temperature": 3}}, "key 'sampling.temperature': Input should be less"),
        ({"sampling": {"top_p": 0}}, "key 'sampling.top_p'"),
        ({"sampling": {"max_tokens": 0}}, "key 'sampling.max_tokens'"),
        ({"sampling": {"min_tokens": 9, "max_tokens": 4}}, "min_tokens 9 is above max_tokens 4"),
        ({"sampling": {"stop": [""]}}, "key 'sampling.stop.0'"),
        ({"sampling": {"max_tokens": 2**31}}, "key 'sampling.max_tokens'"),
        ({"sampling": {"min_tokens": 2**31}}, "key 'sampling.min_tokens'"),
        ({"sampling": {"top_k": 2**31}}, "key 'sampling.top_k'"),
        ({"sampling": {"seed": 2**63}}, "key 'sampling.seed'"),
        ({"splits": ["test"]}, "not 'test'"),
        ({"splits": []}, "key 'splits'"),
        ({"splits": ["dev", "dev"]}, "each may be named once only"),
        ({"settings": ["with"]}, "not 'with'"),
        ({"models": []}, "key 'models'"),
        ({"models": ["a", "b", "a"]}, "models names a more than once"),
        ({"concurrency": 0}, "key 'concurrency'"),
        ({"deadline_s": 0}, "key 'deadline_s'"),
        ({"limits": {"max_questions_per_split": 0}}, "key 'limits.max_questions_per_split'"),
        ({"concurrency": 4, "min_concurrency": 5}, "min_concurrency 5 is above concurrency 4"),
        ({"sampling": {}, "samplings": {"a": {}}}, "give either sampling or samplings, not both"),
        ({"samplings": {"a": {}, "b": {}}}, "key 'samplings': 'a' and 'b' are the same"),
        ({"prompts": {"a": {}, "b": {}}}, "key 'prompts': 'a' and 'b' are the same"),
        ({"prompts": {}}, "key 'prompts'"),
        ({"prompts": {"two words": {}}}, "key 'prompts.two words"),
        ({"prompts": ["plain"]}, "key 'prompts': Input should be a mapping"),
        ({"prompts": {"a": {"template": "What is it?"}}}, "it must hold {instruction}"),
        ({"prompts": {"a": {"template": "{question}"}}}, "nothing fills {question}"),
        ({"controls": ["noimage"]}, "not 'noimage'"),
        ({"controls": ["none", "none"]}, "each may be named once only"),
        ({"replicates": 0}, "key 'replicates'"),
        ({"metrics": ["blue"]}, "there is no metric 'blue'; did you mean 'bleu'?"),
        ({"prices": {"models": {"b": {}}}}, "the sweep has no model 'b'; it has a"),
        ({"prices": {"models": {"a": {"per_gpu_hour": -1}}}}, "prices.models.a.per_gpu_hour"),
        ({"output": ""}, "key 'output'"),
        ({"name": "two words"}, "key 'name'"),
    ],
)
def test_a_wrong_value_is_named_with_its_key(
    tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    assert complaint in failure(write(tmp_path, {**LEAST, **change}))


def test_the_greatest_numbers_that_the_contract_can_carry_are_right(tmp_path: Path) -> None:
    most = {"max_tokens": 2**31 - 1, "min_tokens": 2**31 - 1, "top_k": 2**31 - 1, "seed": 2**63 - 1}
    spec = load_spec(write(tmp_path, {**LEAST, "sampling": most}))
    SamplingParameters(**spec.sampling.model_dump(exclude_none=True))


def test_a_wrong_setting_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPART_SWEEP_COMMIT_ROWS", "many")
    with pytest.raises(UserInputError, match=r"^EXPART_SWEEP_COMMIT_ROWS: .*, got 'many'$"):
        load_settings()


def test_a_file_that_is_no_spec_is_named(tmp_path: Path) -> None:
    assert "cannot read" in failure(tmp_path / "no.yaml")
    assert "is a mapping of keys" in failure(write(tmp_path, ["a"]))
    (tmp_path / "sweep.yaml").write_text("dataset: [")
    assert "no YAML" in failure(tmp_path / "sweep.yaml")


SHIPPED = sorted((PROJECT / "deploy" / "sweeps").glob("*.yaml"))


def shipped(name: str) -> SweepSpec:
    return load_spec(PROJECT / "deploy" / "sweeps" / f"{name}.yaml")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_the_specs_that_come_with_the_project_are_right(file: Path) -> None:
    spec = load_spec(file)
    assert spec.splits == (Split.TEST_SEEN, Split.TEST_UNSEEN)
    assert spec.settings == (Setting.WITH_TITLE, Setting.WITHOUT_TITLE)
    assert Path(spec.output).is_relative_to(PROJECT / "var")
    assert spec.sampling.is_greedy
    catalog = PROJECT / "deploy" / "models"
    assert all((catalog / f"{choice.model}.yaml").is_file() for choice in spec.models)


def test_the_specs_that_are_promised_come_with_the_project() -> None:
    assert {file.stem for file in SHIPPED} == {
        "quickstart",
        "expart",
        "expart_kg_baseline",
        "grounding",
    }
    assert shipped("grounding").controls == tuple(Control)
    assert shipped("quickstart").dataset.folder == PROJECT / "deploy" / "expart_mini"
    full = shipped("expart")
    assert (full.limits, full.filters) == (LimitsSpec(), FiltersSpec())
    _, baseline = shipped("expart_kg_baseline").named_prompts
    assert "visual question answering" in baseline.system_text
    assert baseline.instruction("Why?").startswith("Question: Why?\n")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_the_specs_name_the_schema_for_editors(file: Path) -> None:
    line = "# yaml-language-server: $schema=sweep.schema.json\n"
    assert file.read_text().startswith(line)


def test_schema_and_readme_are_in_step_with_the_types() -> None:
    folder = PROJECT / "deploy" / "sweeps"
    assert (folder / "sweep.schema.json").read_text() == spec_document().schema_text(), (
        "run python -m services.sweep.spec.document"
    )
    readme = (folder / "README.md").read_text()
    assert readme == spec_document().readme_with_keys(readme), (
        "run python -m services.sweep.spec.document"
    )
    assert f"`{KEY_VERSION}`" in readme
    for number in (CHARS_PER_TOKEN, TEMPLATE_TOKENS, OUTPUT_TOKENS, TOKENS_PER_S):
        assert f" {number} " in readme.replace("\n", " ").replace("tokens/s", " ")
    assert f"{IMAGE_TOKENS:,} tokens a picture" in readme


def test_every_key_is_described() -> None:
    schema = SweepSpec.model_json_schema()
    sections = [schema, *schema["$defs"].values()]
    undescribed = [
        name
        for section in sections
        for name, field in section.get("properties", {}).items()
        if not field.get("description")
    ]
    assert undescribed == []
