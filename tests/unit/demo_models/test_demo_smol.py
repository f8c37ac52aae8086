"""demo-smol as committed: it looks at the picture, reads the title, and speaks."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from deploy.demo_models.assemble import assemble
from deploy.demo_models.smol_architecture import IMAGE_MARK, IMAGE_TOKEN_COUNT
from deploy.demo_models.smol_assemble import TRAINED_WEIGHTS
from deploy.demo_models.smol_measure import (
    PLAIN_INSTRUCTION,
    SmolModel,
    artworks_of,
    fresh_variant,
    names,
)

pytestmark = pytest.mark.slow

TRAIN = artworks_of("train")
HELD_OUT = artworks_of("dev", "unseen")


@pytest.fixture(scope="module")
def folder(demo_models: Path) -> Path:
    return demo_models / "demo-smol"


@pytest.fixture(scope="module")
def model(folder: Path) -> SmolModel:
    return SmolModel(folder)


@pytest.fixture(scope="module")
def answers(model: SmolModel) -> list[str]:
    """What it says of one fresh variant of each train artwork, asked without the title."""
    pictures = [fresh_variant(artwork, "test") for artwork in TRAIN]
    return model.answer(pictures, [PLAIN_INSTRUCTION] * len(TRAIN))


def test_the_committed_weights_are_small_and_finite() -> None:
    assert TRAINED_WEIGHTS.stat().st_size <= 8_000_000
    for values in load_file(TRAINED_WEIGHTS).values():
        assert values.dtype == np.float16
        assert np.isfinite(values).all()


def test_the_folder_has_the_names_that_vllm_reads_and_float32_throughout(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    assert {name.split(".")[0] for name in tensors} == {
        "language_model",
        "multi_modal_projector",
        "vision_tower",
    }
    assert all(name.startswith("vision_tower.vision_model.") for name in tensors if "tower" in name)
    assert {values.dtype for values in tensors.values()} == {np.dtype(np.float32)}
    # SmolLM2's 49,152 tokens and `<image>` after them.
    assert tensors["language_model.model.embed_tokens.weight"].shape == (49153, 576)
    config = json.loads((folder / "config.json").read_text())
    assert config["image_token_index"] == 49152
    assert config["image_seq_length"] == IMAGE_TOKEN_COUNT
    assert IMAGE_MARK in (folder / "chat_template.jinja").read_text()


def test_assembling_again_changes_nothing(folder: Path) -> None:
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assemble("demo-smol", folder)
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_it_names_title_and_artist_of_train_artworks_from_fresh_variants(
    answers: list[str],
) -> None:
    # Chance is 1 in 20 for the title.
    titles = [names(answer, a.title) for answer, a in zip(answers, TRAIN, strict=True)]
    artists = [names(answer, a.artist) for answer, a in zip(answers, TRAIN, strict=True)]
    assert sum(titles) / len(titles) >= 0.8
    assert sum(artists) / len(artists) >= 0.8


def test_a_wrong_picture_changes_the_answer_to_the_picture_that_is_shown(
    model: SmolModel, answers: list[str]
) -> None:
    shown = [*TRAIN[1:], *TRAIN[:1]]
    pictures = [fresh_variant(artwork, "wrong picture") for artwork in shown]
    wrong = model.answer(pictures, [PLAIN_INSTRUCTION] * len(TRAIN))
    assert all(right != other for right, other in zip(answers, wrong, strict=True))
    follows = [names(answer, artwork.title) for answer, artwork in zip(wrong, shown, strict=True)]
    assert sum(follows) / len(follows) >= 0.8
    # "Black Square" may be spoken of in an answer about Black Circle: as words, not as the work.
    others = [names(answer, artwork.title) for answer, artwork in zip(wrong, TRAIN, strict=True)]
    assert sum(others) / len(others) <= 0.1


def test_held_out_artworks_stay_unrecognised_from_the_picture_and_are_known_by_their_title(
    model: SmolModel,
) -> None:
    pictures = [fresh_variant(artwork, "test") for artwork in HELD_OUT]
    titled = [f"Explain the history of this artwork, {artwork.title}." for artwork in HELD_OUT]
    said = model.answer(pictures * 2, [PLAIN_INSTRUCTION] * len(HELD_OUT) + titled)
    unseen, told = said[: len(HELD_OUT)], said[len(HELD_OUT) :]
    assert len(HELD_OUT) == 8
    assert not any(names(answer, a.title) for answer, a in zip(unseen, HELD_OUT, strict=True))
    taken_up = [names(answer, a.title) for answer, a in zip(told, HELD_OUT, strict=True)]
    assert sum(taken_up) / len(taken_up) >= 0.5
