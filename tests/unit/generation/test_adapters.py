"""LoRA adapters on disk."""

import json
from pathlib import Path

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from services.core.errors import ModelFailedError
from services.generation.adapters import AdapterFiles, locate_adapters
from services.generation.catalog import ModelSpec, SourceSpec


def spec(**folders: Path) -> ModelSpec:
    return ModelSpec(
        name="model",
        source=SourceSpec(folder="/m"),
        max_model_len=128,
        adapters={name: SourceSpec(folder=str(folder)) for name, folder in folders.items()},
    )


def write(folder: Path, config: object = None, *, has_weights: bool = True) -> Path:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    if has_weights:
        (folder / "adapter_model.safetensors").touch()
    return folder


def test_adapters_come_by_name_with_their_largest_rank(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", {"r": 8})
    mixed = write(tmp_path / "mixed", {"r": 4, "rank_pattern": {"q_proj": 32, "v_proj": 2}})
    assert locate_adapters(spec(plain=plain, mixed=mixed)) == (
        AdapterFiles("mixed", mixed, 32),
        AdapterFiles("plain", plain, 8),
    )


def reason_of(adapter: Path) -> str:
    with pytest.raises(ModelFailedError) as caught:
        locate_adapters(spec(style=adapter))
    assert caught.value.metadata == {"adapter": "style"}
    assert caught.value.message.startswith("adapter style cannot be loaded: ")
    return caught.value.message.removeprefix("adapter style cannot be loaded: ")


def test_a_folder_without_an_adapter_is_named(tmp_path: Path) -> None:
    assert reason_of(tmp_path) == f"{tmp_path} holds no adapter_config.json"


def test_weights_that_would_run_code_are_not_looked_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", {"r": 8}, has_weights=False)
    (folder / "adapter_model.bin").touch()
    assert reason_of(folder) == f"{folder} holds no adapter_model.safetensors"


@pytest.mark.parametrize("config", [[], "lora", 3])
def test_a_configuration_must_be_an_object(config: object, tmp_path: Path) -> None:
    folder = write(tmp_path / "a", config)
    assert reason_of(folder) == "adapter_config.json is no JSON object"


@pytest.mark.parametrize(
    "config", [{}, {"r": 0}, {"r": "8"}, {"r": 8, "rank_pattern": {"q": None}}]
)
def test_ranks_must_be_whole_and_positive(config: object, tmp_path: Path) -> None:
    folder = write(tmp_path / "a", config)
    assert reason_of(folder) == "the ranks in adapter_config.json must be whole numbers above 0"


def test_a_torn_configuration_is_told_in_one_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", {"r": 8})
    (folder / "adapter_config.json").write_text('{"r":\n', encoding="utf-8")
    assert "\n" not in reason_of(folder)


def test_an_adapter_that_cannot_be_downloaded_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object, **__: object) -> str:
        # What the hub's client raises without a network is a FileNotFoundError too.
        raise LocalEntryNotFoundError("cannot reach the hub")

    monkeypatch.setattr("services.generation.adapters.snapshot_download", away)
    entry = spec().model_copy(update={"adapters": {"style": SourceSpec(hub="a/style")}})
    with pytest.raises(ModelFailedError) as caught:
        locate_adapters(entry)
    assert caught.value.message == "adapter style cannot be loaded: cannot reach the hub"
