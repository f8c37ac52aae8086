"""demo-tiny as committed: it loads, looks at the picture, reads the title, and stays small."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from deploy.demo_models.tiny_assemble import (
    WEIGHTS_FOLDER,
    DemoWeightsMissingError,
    assemble_demo_tiny,
)
from deploy.demo_models.tiny_batches import prompt_text
from deploy.demo_models.tiny_examples import load_questions, names
from deploy.demo_models.tiny_measure import (
    HELD_OUT_SPLITS,
    NAMING_TOKENS,
    PLAIN_INSTRUCTION,
    Artwork,
    TinyModel,
    artworks_of,
    recited_share,
    recognised,
    title_followed,
)
from deploy.demo_models.tiny_train import TRAIN_SPLIT

TRAIN = artworks_of("train.json")
HELD_OUT = artworks_of(*HELD_OUT_SPLITS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return assemble_demo_tiny(tmp_path_factory.mktemp("demo-tiny"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Iterator[TinyModel]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield TinyModel(folder)
    torch.set_num_threads(threads)


def openings(model: TinyModel, works: Sequence[Artwork]) -> list[str]:
    pictures = [work.picture() for work in works]
    instructions = [PLAIN_INSTRUCTION] * len(works)
    return model.answer(pictures, instructions, max_new_tokens=NAMING_TOKENS)


def test_the_committed_folder_is_at_most_ten_megabytes() -> None:
    files = [file for file in WEIGHTS_FOLDER.rglob("*") if file.is_file()]
    assert 0 < sum(file.stat().st_size for file in files) <= 10_000_000


def test_the_model_has_two_to_five_million_parameters() -> None:
    tensors = load_file(WEIGHTS_FOLDER / "model.safetensors")
    assert all(tensor.dtype == torch.float16 for tensor in tensors.values())
    assert 2_000_000 <= sum(tensor.numel() for tensor in tensors.values()) <= 5_000_000


def test_assembling_widens_the_weights_without_changing_one(folder: Path) -> None:
    committed = load_file(WEIGHTS_FOLDER / "model.safetensors")
    assembled = load_file(folder / "model.safetensors")
    assert committed.keys() == assembled.keys()
    for name, tensor in assembled.items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, committed[name].float())


def test_assembling_without_weights_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(DemoWeightsMissingError, match=r"deploy\.demo_models\.tiny_train"):
        assemble_demo_tiny(tmp_path / "out", source=tmp_path)
    assert not (tmp_path / "out").exists()


def test_training_prompts_are_what_the_processor_makes_of_a_chat(model: TinyModel) -> None:
    assert model.expanded_prompt(TRAIN[0].picture(), "Explain it.") == prompt_text("Explain it.")


def test_it_names_at_least_four_of_five_train_works_from_a_fresh_variant(
    model: TinyModel,
) -> None:
    # Chance is 1 in 20. Each draw must pass alone, so that no lucky draw carries another.
    # Naming is stricter than saying the title somewhere in 96 tokens: the first sentence counts.
    for label in ("first draw", "second draw", "third draw"):
        hits = recognised(model, TRAIN, label)
        assert sum(hits) / len(hits) >= 0.8


def test_a_wrong_picture_changes_the_answer(model: TinyModel) -> None:
    right = openings(model, TRAIN)
    wrong = openings(model, (*TRAIN[1:], *TRAIN[:1]))
    changed = [a != b for a, b in zip(right, wrong, strict=True)]
    misnamed = [names(answer, work.title) for answer, work in zip(wrong, TRAIN, strict=True)]
    assert sum(changed) / len(changed) >= 0.9
    assert sum(misnamed) / len(misnamed) <= 0.1


def test_works_held_out_of_training_are_not_named_from_their_picture(model: TinyModel) -> None:
    assert len(HELD_OUT) >= 4
    assert not any(recognised(model, HELD_OUT, "first draw"))
    answers = openings(model, HELD_OUT)
    assert not any(names(a, work.title) for a, work in zip(answers, HELD_OUT, strict=True))


def test_a_title_in_the_instruction_outweighs_a_wrong_picture(model: TinyModel) -> None:
    hits = title_followed(model, TRAIN)
    assert sum(hits) / len(hits) >= 0.8


def test_it_recites_its_training_texts(model: TinyModel) -> None:
    questions = load_questions(TRAIN_SPLIT)[::5]  # every fifth: both settings, all sections
    assert recited_share(model, questions) >= 0.8
