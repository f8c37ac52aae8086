"""demo-tiny's training: which tokens count, how the rate moves, and that the seed decides all."""

from collections.abc import Iterator

import pytest
import torch
from PIL import Image

from deploy.demo_models.tiny_architecture import (
    IMAGE_TOKEN_COUNT,
    SPECIAL_TOKENS,
    build_processor,
    train_tokenizer,
)
from deploy.demo_models.tiny_batches import OPENING_TOKENS, Batch, BatchEncoder, answer_loss
from deploy.demo_models.tiny_examples import Example, load_questions, target_text
from deploy.demo_models.tiny_pictures import model_pixels
from deploy.demo_models.tiny_train import TRAIN_SPLIT, TinyTrainer, TrainingPlan, rate_at

REFERENCE = "It hung in Petrograd and was later shown in Moscow, Berlin and Warsaw. " * 3
PROCESSOR = build_processor(train_tokenizer([REFERENCE, target_text("Senecio", "Explain it.")]))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def example(*, opening_only: bool) -> Example:
    return Example(
        image="a.png",
        instruction="Explain it.",
        target=target_text("Senecio", REFERENCE),
        title="Senecio",
        opening_only=opening_only,
    )


def test_special_tokens_come_first_and_one_picture_takes_sixteen_image_tokens() -> None:
    ids = PROCESSOR.tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS))
    assert ids == list(range(len(SPECIAL_TOKENS)))
    assert IMAGE_TOKEN_COUNT == 16  # 112 px / 14 px = 8 patches a side; shuffled by 2: 4 x 4


def test_any_text_survives_the_tokenizer() -> None:
    text = "Größe, 抽象画, tabs\tand 🟥 were never in the train split."
    ids = PROCESSOR.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert PROCESSOR.tokenizer.decode(ids) == text


def test_every_picture_becomes_one_square_of_112_pixels() -> None:
    pictures = [Image.new("RGB", size, (255, 255, 255)) for size in ((300, 200), (40, 336))]
    pixels = model_pixels(pictures, PROCESSOR)
    assert pixels.shape == (2, 3, 112, 112)
    assert torch.allclose(pixels, torch.ones(()))  # white is +1 after (x - 0.5) / 0.5


def test_only_the_answer_counts_and_its_naming_sentence_thrice() -> None:
    batch = BatchEncoder(PROCESSOR).encode([example(opening_only=False)])
    weights = batch.weights[0].tolist()
    naming = len(PROCESSOR.tokenizer("This is Senecio.", add_special_tokens=False)["input_ids"])
    answer = [weight for weight in weights if weight > 0]
    assert answer[:naming] == [3.0] * naming
    assert set(answer[naming:]) == {1.0}
    assert weights == [0.0] * (len(weights) - len(answer)) + answer
    text = PROCESSOR.tokenizer.decode(batch.labels[0][batch.labels[0] >= 0])
    assert text == target_text("Senecio", REFERENCE) + "<end_of_utterance>"


def test_an_opening_stops_early_and_is_padded_without_weight() -> None:
    rows = [example(opening_only=False), example(opening_only=True)]
    batch = BatchEncoder(PROCESSOR).encode(rows)
    assert int((batch.weights[1] > 0).sum()) == OPENING_TOKENS
    padded = batch.attention_mask[1] == 0
    assert padded.any()
    assert not batch.weights[1][padded].any()


def test_the_loss_is_the_weighted_mean_over_answer_tokens() -> None:
    # Two targets over two words. Position 0 predicts word 1 with logits (0, 0): -ln(1/2) = ln 2.
    # Position 1 predicts word 0 with logits (ln 3, 0): -ln(3/4) = ln(4/3).
    # Weights 3 and 1: (3 ln 2 + ln(4/3)) / 4 = (2.079442 + 0.287682) / 4 = 0.591781.
    batch = Batch(
        input_ids=torch.tensor([[0, 1, 0]]),
        attention_mask=torch.ones(1, 3, dtype=torch.long),
        labels=torch.tensor([[-100, 1, 0]]),
        weights=torch.tensor([[0.0, 3.0, 1.0]]),
    )
    logits = torch.tensor([[[0.0, 0.0], [1.0986123, 0.0], [9.0, 9.0]]])
    assert answer_loss(logits, batch).item() == pytest.approx(0.591781, abs=1e-6)


def test_the_rate_climbs_to_its_peak_and_falls_to_a_twentieth() -> None:
    rates = [rate_at(step, 1000, 1.0) for step in range(1001)]
    assert rates[0] == pytest.approx(1 / 50)
    assert max(rates) == rates[49] == pytest.approx(1.0)
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[1000] == pytest.approx(0.05)


def test_the_same_seed_trains_the_same_weights() -> None:
    plan = TrainingPlan(
        variants=1, vision_steps=2, vision_batch=4, answer_steps=2,
        recall_batch=1, recognise_batch=1, copy_batch=1,
    )  # fmt: skip
    questions = load_questions(TRAIN_SPLIT)
    runs = []
    for seed in (1, 1, 2):
        trainer = TinyTrainer(questions, plan, seed=seed)
        trainer.train_vision()
        trainer.train_answers()
        runs.append(trainer.model.state_dict())
    assert all(torch.equal(tensor, runs[1][name]) for name, tensor in runs[0].items())
    assert not all(torch.equal(tensor, runs[2][name]) for name, tensor in runs[0].items())
