"""Reading sweep specs: right ones, and one clear line for every wrong one."""

from pathlib import Path

import pytest
import yaml

from expart.generation.v1.generation_service_pb2 import SamplingParameters
from services.benchmark.records import Setting, Split
from services.core.errors import UserInputError
from services.sweep.settings import load_settings
from services.sweep.spec import SamplingSpec, load_spec

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
    assert spec.output == tmp_path / "specs" / "out"


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


@pytest.mark.parametrize("name", ["quickstart.yaml", "expart.yaml"])
def test_the_specs_that_come_with_the_project_are_right(name: str) -> None:
    spec = load_spec(PROJECT / "deploy" / "sweeps" / name)
    assert spec.splits == (Split.TEST_SEEN, Split.TEST_UNSEEN)
    assert spec.output.is_relative_to(PROJECT / "var")
    assert spec.sampling.temperature == 0
