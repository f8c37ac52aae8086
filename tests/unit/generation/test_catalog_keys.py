"""The keys of a catalog entry that must agree with each other, and files that an entry names."""

from pathlib import Path

import pytest

from services.core.errors import UserInputError
from services.generation.catalog import ModelSpec, load_model_spec

WEIGHTS = "name: small\nsource: {folder: small}\nmax_model_len: 128\n"
ENDPOINT = (
    "name: far\nengine: openai\nmax_model_len: 128\n"
    "openai: {base_url: 'https://example.org/v1', model: far-1}\n"
)


def load(folder: Path, text: str) -> ModelSpec:
    file = folder / "entry.yaml"
    file.write_text(text, encoding="utf-8")
    return load_model_spec(file, folder / "models")


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(UserInputError) as caught:
        load(folder, text)
    assert "\n" not in caught.value.message
    return caught.value.message.removeprefix(f"{folder / 'entry.yaml'}: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "name: small\nmax_model_len: 128\n",
            "source: give exactly one of folder and hub, as vllm loads weights",
        ),
        (
            "name: small\nmax_model_len: 128\nengine: transformers\n",
            "source: give exactly one of folder and hub, as transformers loads weights",
        ),
        (ENDPOINT + "source: {hub: a/b}\n", "source: belongs to whoever runs the endpoint"),
        (ENDPOINT + "num_gpus: 1\n", "num_gpus: belongs to whoever runs the endpoint"),
        (ENDPOINT + "dtype: float16\n", "dtype: belongs to whoever runs the endpoint"),
        (
            "name: far\nengine: openai\nmax_model_len: 128\n",
            "openai: goes with the openai engine, and only with it",
        ),
        (
            WEIGHTS + "openai: {base_url: 'http://a/v1', model: m}\n",
            "openai: goes with the openai engine, and only with it",
        ),
        (ENDPOINT.replace("https://example.org/v1", "example.org"), "openai.base_url: "),
        (
            ENDPOINT.replace("https://", "https://ann:hush@"),
            "openai: base_url must hold no user or password: use api_key_file",
        ),
        (ENDPOINT.replace("model: far-1", "modle: far-1"), "'openai.modle'; did you mean 'model'?"),
        (WEIGHTS + "scripted: {load_s: 1}\n", "scripted: the vllm engine plays no script"),
        (ENDPOINT + "adapters: {a: {hub: a/b}}\n", "adapters: the openai engine has none"),
        (WEIGHTS + "adapters: {a: {}}\n", "adapters.a: give exactly one of folder and hub"),
        (WEIGHTS + "adapters: {a: {foldr: x}}\n", "did you mean 'folder'?"),
        (WEIGHTS + "adapters: {'no good': {hub: a/b}}\n", "adapters.no good"),
        (WEIGHTS + "engine_arguments: {enable_lora: true}\n", "set by the key adapters"),
        (
            WEIGHTS + "engine_arguments: {pipeline_parallel_size: 2}\n",
            "set by the key tensor_parallel_size",
        ),
        (WEIGHTS + "tensor_parallel_size: 2\n", "tensor_parallel_size (2) exceeds num_gpus (0)"),
        (
            WEIGHTS + "num_gpus: 2\n",
            "tensor_parallel_size (1) must equal num_gpus (2): vLLM would leave the others idle",
        ),
        (
            WEIGHTS + "engine: transformers\nnum_gpus: 2\ntensor_parallel_size: 2\n",
            "tensor_parallel_size: the transformers engine has none",
        ),
        (WEIGHTS + "num_gpus: 1.5\n", "num_gpus: must be whole above 1; got 1.5"),
        (WEIGHTS + "image: {max_aspect_ratio: 0.5}\n", "image.max_aspect_ratio: "),
        (WEIGHTS + "image: {max_pixel: 9}\n", "did you mean 'max_pixels'?"),
        (WEIGHTS + "memory_gib: 0\n", "memory_gib: "),
        (WEIGHTS + "requires: a server\n", "requires: "),
        (WEIGHTS + "name: twice\n", "cannot be read: the key 'name' is given twice"),
    ],
)
def test_keys_that_contradict_each_other_are_refused_in_one_line(
    tmp_path: Path, text: str, expected: str
) -> None:
    said = refusal(tmp_path, text)
    assert expected in said
    assert "hush" not in said  # a password is not repeated


@pytest.mark.parametrize(
    "keys",
    [
        "num_gpus: 0.5\n",
        "num_gpus: 1\n",
        "num_gpus: 4\ntensor_parallel_size: 4\n",
        "engine: transformers\nnum_gpus: 2\n",
    ],
)
def test_gpus_that_the_engine_uses_are_taken(tmp_path: Path, keys: str) -> None:
    assert not load(tmp_path, WEIGHTS + keys).runs_on_cpu


def test_an_endpoint_has_no_weights_and_is_called_by_its_models_name(tmp_path: Path) -> None:
    spec = load(tmp_path, ENDPOINT)
    assert not spec.has_weights
    assert not spec.needs_download
    assert not spec.source.is_given
    assert spec.source_label == "far-1"


def test_a_scripted_model_needs_no_weights(tmp_path: Path) -> None:
    spec = load(tmp_path, "name: played\nengine: scripted\nmax_model_len: 128\n")
    assert not spec.source.is_given


@pytest.mark.parametrize(
    ("adapter", "expected"), [("{folder: tuned}", False), ("{hub: a/tuned}", True)]
)
def test_an_adapter_of_the_hub_is_a_download_too(
    tmp_path: Path, adapter: str, expected: bool
) -> None:
    spec = load(tmp_path, WEIGHTS + f"adapters: {{tuned: {adapter}}}\n")
    assert spec.needs_download is expected


def test_an_adapters_relative_folder_starts_at_the_models_folder(tmp_path: Path) -> None:
    spec = load(tmp_path, WEIGHTS + "adapters: {tuned: {folder: lora}}\n")
    assert spec.adapters["tuned"].folder == str(tmp_path / "models" / "lora")


def test_a_key_file_lies_beside_the_entry_unless_its_path_is_absolute(tmp_path: Path) -> None:
    def key_file(path: str) -> str | None:
        spec = load(tmp_path, ENDPOINT.replace("model: far-1", f"model: m, api_key_file: {path}"))
        assert spec.openai is not None
        return spec.openai.api_key_file

    assert key_file("key.txt") == str(tmp_path / "key.txt")
    assert key_file("/run/secrets/key") == "/run/secrets/key"


class TestChatTemplate:
    def test_a_file_is_read_so_that_the_entry_can_go_to_other_machines(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "plain.jinja").write_text("{{ messages }}\n", encoding="utf-8")
        spec = load(tmp_path, WEIGHTS + "chat_template: plain.jinja\n")
        assert spec.chat_template == "{{ messages }}\n"
        sent = ModelSpec.model_validate_json(spec.model_dump_json(exclude_unset=True))
        assert sent == spec

    def test_a_template_itself_is_taken_as_it_is(self, tmp_path: Path) -> None:
        spec = load(tmp_path, WEIGHTS + "chat_template: |\n  {{ messages }}!\n")
        assert spec.chat_template == "{{ messages }}!\n"

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("missing.jinja", "missing.jinja cannot be read: No such file or directory"),
            ("../outside.jinja", "must lie in the entry's folder; got '../outside.jinja'"),
            ("/etc/hostname", "must lie in the entry's folder; got '/etc/hostname'"),
            ("notes.txt", "notes.txt is no template: it has no {{ or {%"),
        ],
    )
    def test_a_file_that_is_none_is_refused(self, tmp_path: Path, name: str, expected: str) -> None:
        (tmp_path / "notes.txt").write_text("only words\n", encoding="utf-8")
        found = refusal(tmp_path, WEIGHTS + f"chat_template: {name}\n")
        assert found.startswith("chat_template: ")
        assert expected in found

    def test_a_link_out_of_the_folder_is_refused(self, tmp_path: Path) -> None:
        catalog = tmp_path / "catalog"
        catalog.mkdir()
        (tmp_path / "secret").write_text("{{ messages }}", encoding="utf-8")
        (catalog / "link.jinja").symlink_to(tmp_path / "secret")
        assert "must lie in the entry's folder" in refusal(
            catalog, WEIGHTS + "chat_template: link.jinja\n"
        )
