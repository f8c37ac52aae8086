"""What demo-smol is taught, before any weight is trained."""

import random

import numpy as np
import pytest
import torch

from deploy.demo_models.smol_architecture import IMAGE_EDGE_PX, IMAGE_TOKEN_COUNT, SLOT_UNKNOWN
from deploy.demo_models.smol_language import SmolLanguageModel, find_gguf
from deploy.demo_models.smol_measure import EXPART_MINI, artworks_of
from deploy.demo_models.smol_pictures import draw_collage, draw_composition, draw_pool
from deploy.demo_models.smol_train import Targets, build_targets, slot_texts, spelling_loss


@pytest.fixture(scope="module")
def language_model() -> SmolLanguageModel:
    return SmolLanguageModel(find_gguf())


def test_the_targets_spell_title_and_artist_of_train_artworks_only(
    language_model: SmolLanguageModel,
) -> None:
    texts = slot_texts(artworks_of("train"))
    assert ' "Black Square" by Kazimir Malevich' in texts
    assert texts[-1] == SLOT_UNKNOWN
    held_out = [artwork.title for artwork in artworks_of("dev", "unseen")]
    assert held_out
    assert not any(title in text for title in held_out for text in texts)
    targets = build_targets(texts, language_model)
    assert targets.indices.shape == (len(texts), IMAGE_TOKEN_COUNT)


def test_the_targets_are_the_language_models_own_embeddings(
    language_model: SmolLanguageModel,
) -> None:
    targets = build_targets([" a painting"], language_model)
    ids = language_model.tokenizer().encode(" a painting" + " " * 23).ids[:2]
    embeddings = torch.from_numpy(language_model.embeddings())
    assert torch.equal(targets.candidates[targets.indices[0, :2]], embeddings[ids])


def test_a_text_longer_than_the_image_positions_is_refused(
    language_model: SmolLanguageModel,
) -> None:
    with pytest.raises(ValueError, match="of 25 positions"):
        build_targets(["word " * 30], language_model)


def test_the_tokenizer_gives_back_any_text(language_model: SmolLanguageModel) -> None:
    tokenizer = language_model.tokenizer()
    for text in ("Proun 99, 1923-25", "El Lissitzky's\n\n  «wedge»", "Ünïcode ✓"):
        assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_the_loss_is_least_where_every_vector_is_its_tokens_embedding() -> None:
    # Two tokens, one image position each way: class 0 spells token 0, class 1 token 1.
    candidates = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    targets = Targets(candidates=candidates, indices=torch.tensor([[0], [1]]), scale=0.25)
    classes = torch.tensor([0, 1])
    right, spelt = spelling_loss(candidates[:, None, :], targets, classes)
    wrong, misspelt = spelling_loss(candidates.flip(0)[:, None, :], targets, classes)
    # Squared distance of the two embeddings: 2; scores 0 and -2 / (0.25 * sqrt(2)) = -5.657.
    # Right: error 0, cross-entropy log(1 + exp(-5.657)) = 0.003487, halved.
    assert float(right) == pytest.approx(0.0017436, abs=1e-6)
    # Wrong: mean squared error 1, over the variance 4; cross-entropy 5.657 + 0.003487, halved.
    assert float(wrong) == pytest.approx(4 + (5.656854 + 0.003487) / 2, abs=1e-5)
    assert spelt.tolist() == [True, True]
    assert misspelt.tolist() == [False, False]


def test_the_pool_is_the_same_again_from_the_same_seed() -> None:
    picture = EXPART_MINI / "images" / "black-square.png"
    others = [EXPART_MINI / "images" / f"{a.slug}.png" for a in artworks_of("train")[:3]]
    pools = [
        draw_pool([picture, *others], variant_count=2, unknown_count=3, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert pools[0].pixels.shape == (11, IMAGE_EDGE_PX, IMAGE_EDGE_PX, 3)
    assert pools[0].classes.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4]
    assert np.array_equal(pools[0].pixels, pools[1].pixels)
    assert not np.array_equal(pools[0].pixels, pools[2].pixels)


def test_a_batch_is_normalised_as_the_image_processor_does_it() -> None:
    picture = EXPART_MINI / "images" / "white-on-white.png"
    pool = draw_pool([picture] * 4, variant_count=1, unknown_count=0, seed=1)
    pixels, classes = pool.draw(6, np.random.default_rng(1))
    assert pixels.shape == (6, 3, IMAGE_EDGE_PX, IMAGE_EDGE_PX)
    assert pixels.dtype == torch.float32
    assert -1.0 <= float(pixels.min()) < float(pixels.max()) <= 1.0
    assert set(classes.tolist()) <= {0, 1, 2, 3}


def test_unknown_pictures_differ_from_one_another() -> None:
    rng = random.Random(1)
    drawn = [draw_composition(rng) for _ in range(12)]
    assert len({image.tobytes() for image in drawn}) == 12
    assert draw_collage(drawn, rng).tobytes() != draw_collage(drawn, rng).tobytes()
