"""The model catalog: what an entry may say, and how mistakes are told."""

import json
from pathlib import Path

import pytest

from services.core.errors import ModelFailedError, UserInputError
from services.generation.catalog import ModelSpec, load_catalog, load_model_spec
from services.generation.weights import folder_revision

PROJECT = Path(__file__).parents[3]
SMALLEST = "name: small\nsource: {folder: small}\nmax_model_len: 128\n"


def write(folder: Path, text: str, name: str = "entry.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def refusal(tmp_path: Path, text: str) -> str:
    file = write(tmp_path, text)
    with pytest.raises(UserInputError) as caught:
        load_model_spec(file, tmp_path)
    assert caught.value.message.startswith(f"{file}: ")
    assert "\n" not in caught.value.message
    return caught.value.message.removeprefix(f"{file}: ")


def test_the_shipped_catalog_loads() -> None:
    catalog = load_catalog(PROJECT / "deploy" / "models", Path("/models"))
    assert {"demo-smol", "demo-tiny"} <= set(catalog.names)
    assert catalog.get("demo-tiny").weights == "/models/demo-tiny"
    assert not catalog.get("demo-tiny").needs_download
    assert catalog.get("smolvlm-256m-instruct").needs_download
    assert (
        catalog.get("smolvlm-256m-instruct").source_label == "HuggingFaceTB/SmolVLM-256M-Instruct"
    )


def test_every_key_of_the_catalog_is_described() -> None:
    def described(schema: dict[str, dict[str, dict[str, object]]]) -> None:
        for name, field in schema["properties"].items():
            assert field.get("description"), name

    schema = ModelSpec.model_json_schema()
    described(schema)
    for inner in schema["$defs"].values():
        if "properties" in inner:  # JsonValue, which is anything, has none
            described(inner)


def test_a_relative_folder_starts_at_the_models_folder(tmp_path: Path) -> None:
    spec = load_model_spec(write(tmp_path, SMALLEST), tmp_path / "models")
    assert spec.source.folder == str(tmp_path / "models" / "small")


def test_an_absolute_folder_stays(tmp_path: Path) -> None:
    text = SMALLEST.replace("folder: small", "folder: /weights/small")
    assert load_model_spec(write(tmp_path, text), tmp_path).source.folder == "/weights/small"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SMALLEST + "dtpye: float32\n", "unknown key 'dtpye'; did you mean 'dtype'?"),
        (
            SMALLEST + "scaling: {min_replica: 1}\n",
            "unknown key 'scaling.min_replica'; did you mean 'min_replicas'?",
        ),
        (SMALLEST + "sampling: {max_token: 1}\n", "did you mean 'max_tokens'?"),
        (SMALLEST + "dtype: float31\n", "dtype: Input should be"),
        (SMALLEST + "sampling: {top_p: 0}\n", "top_p must be above 0 and at most 1; got 0"),
        (SMALLEST + "sampling: {max_tokens: 4, min_tokens: 5}\n", "must be at most max_tokens, 4"),
        (SMALLEST + "scaling: {min_replicas: 3}\n", "min_replicas (3) exceeds max_replicas (1)"),
        (SMALLEST + "max_model_len: many\n", "max_model_len: "),
        (SMALLEST + "engine_arguments: {dtype: half}\n", "dtype is set by the key dtype"),
        (
            SMALLEST + "engine_arguments: {device_map: auto}\n",
            "device_map is set by the key num_gpus",
        ),
        (
            SMALLEST + "engine_arguments: {scheduling_policy: fcfs}\n",
            "scheduling_policy cannot be chosen: it puts interactive requests before",
        ),
        (SMALLEST.replace("name: small\n", ""), "the key 'name' is missing"),
        (SMALLEST.replace("name: small", "name: Not Good"), "name: "),
        (SMALLEST.replace("folder: small", ""), "give exactly one of folder and hub"),
        (
            SMALLEST.replace("folder: small", "folder: small, hub: a/b"),
            "give exactly one of folder and hub",
        ),
        (
            SMALLEST.replace("folder: small", "folder: small, revision: main"),
            "revision belongs to a hub id",
        ),
        ("- a list\n", "must be a mapping"),
        ("name: [unclosed\n", "cannot be read"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_file_and_key(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert expected in refusal(tmp_path, text)


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    write(tmp_path, SMALLEST, "a.yaml")
    write(tmp_path, SMALLEST, "b.yaml")
    with pytest.raises(UserInputError, match=r"b\.yaml: another entry has the name 'small'"):
        load_catalog(tmp_path, tmp_path)


@pytest.mark.parametrize("exists", [True, False])
def test_a_missing_or_empty_folder_is_refused(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "models"
    if exists:
        folder.mkdir()
    with pytest.raises(UserInputError, match="holds no" if exists else "does not exist"):
        load_catalog(folder, tmp_path)


def test_an_unknown_model_is_refused_with_those_there_are(tmp_path: Path) -> None:
    write(tmp_path, SMALLEST)
    with pytest.raises(
        UserInputError, match="no model named 'tiny' in the catalog; it holds small"
    ):
        load_catalog(tmp_path, tmp_path).select(("tiny",))


def test_an_entry_survives_the_way_to_another_process(tmp_path: Path) -> None:
    spec = load_model_spec(write(tmp_path, SMALLEST + "sampling: {stop: [END]}\n"), tmp_path)
    assert ModelSpec.model_validate_json(spec.model_dump_json(exclude_unset=True)) == spec


class TestFolderRevision:
    @pytest.mark.parametrize("prefix", ["", "sha256:"])
    def test_is_what_the_file_says(self, tmp_path: Path, prefix: str) -> None:
        write(tmp_path, "{}", "config.json")
        write(tmp_path, f"{prefix}{'0a' * 32}\n", "REVISION")
        assert folder_revision(tmp_path) == "sha256:" + "0a" * 32

    def test_is_computed_when_the_file_says_something_else(self, tmp_path: Path) -> None:
        write(tmp_path, "{}", "config.json")
        without = folder_revision(tmp_path)
        write(tmp_path, "the newest one\n", "REVISION")
        assert folder_revision(tmp_path) == without

    def test_is_computed_without_one_and_changes_with_the_weights(self, tmp_path: Path) -> None:
        write(tmp_path, json.dumps({"hidden_size": 1}), "config.json")
        write(tmp_path, "one", "model.safetensors")
        first = folder_revision(tmp_path)
        assert first.startswith("sha256:")
        assert folder_revision(tmp_path) == first
        write(tmp_path, "two", "model.safetensors")
        assert folder_revision(tmp_path) != first

    def test_of_a_folder_without_a_model_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelFailedError, match=r"config\.json is missing"):
            folder_revision(tmp_path)
