"""BERTScore: how closely each token's meaning has a counterpart in the other text.

Each token of one text is matched with the most similar token of the other by the cosine of their
contextual embeddings. Precision is the mean over the candidate's tokens, recall that over the
reference's, and the value is their harmonic mean, as the package ``bert_score`` has it without idf
weights and without rescaling (Zhang et al., ICLR 2020, arXiv:1904.09675). What the package leaves
open or to chance is ruled here:

- A token whose best cosine is below 0 counts 0, as in the package wherever a batch is padded.
  (Elsewhere it would count below 0, and the harmonic mean would have no bounds.)
- Where one of the texts has no token of its own, all is 0. (The package says so of empty texts,
  and has no number for texts of nothing but the encoder's separators.)

Values depend on the encoder, which is in the signature: 0.6 may be high for one and low for
another, and unrelated texts do not score 0.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from services.core.errors import MetricUnavailableError
from services.metrics.analysis import ScoringInput, TextAnalysis
from services.metrics.embeddings import TextEncoder, TokenEmbeddings
from services.metrics.metric import Metric
from services.metrics.options import ScoringOptions
from services.metrics.signature import signature

# The release of bert_score that the tests compare with.
BERT_SCORE_VERSION = "0.3.13"

NAME = "bertscore"

_STATISTICS = ("precision", "recall", "candidate_truncated", "reference_truncated")
_NO_ENCODER = "none"


@dataclass(frozen=True, slots=True)
class BertScore:
    """BERTScore of one candidate. All values are 0-1.

    Attributes:
        precision: How well the candidate's tokens are found in the reference.
        recall: How well the reference's tokens are found in the candidate.
        f1: Their harmonic mean: the metric's value.
        candidate_truncated: Whether only the candidate's beginning was compared.
        reference_truncated: Whether only the reference's beginning was compared.
    """

    precision: float
    recall: float
    f1: float
    candidate_truncated: bool
    reference_truncated: bool


def bert_score(
    candidate: str | TextAnalysis, reference: str | TextAnalysis, encoder: TextEncoder
) -> BertScore:
    """Scores one text against another by an encoder's embeddings.

    Args:
        candidate: The text to be scored; may be empty.
        reference: The reference text.
        encoder: Embeds both. :func:`services.scoring.encoder.load_encoder` makes one from a model.

    Raises:
        InvalidRequestError: The reference is blank.

    An encoder that knows words by their spelling only, to show what is computed; the word in
    common is found, the other has no counterpart:

    >>> class Spelling:
    ...     signature = "spelling"
    ...     def encode(self, texts, keep=()):
    ...         return [self.embed(text.split()) for text in texts]
    ...     def embed(self, words):
    ...         vectors = np.zeros((len(words), 26), np.float32)
    ...         for vector, word in zip(vectors, words):
    ...             vector[ord(word[0]) - ord("a")] = 1
    ...         return TokenEmbeddings(vectors, np.ones(len(words), np.float32), False)
    >>> bert_score("a painting", "painting", Spelling())  # doctest: +NORMALIZE_WHITESPACE
    BertScore(precision=0.5, recall=1.0, f1=0.6666666666666666,
              candidate_truncated=False, reference_truncated=False)
    """
    return _match(ScoringInput(candidate, reference, encoder=encoder))


def match_tokens(candidate: TokenEmbeddings, reference: TokenEmbeddings) -> BertScore:
    """Scores one text against another from the embeddings of both."""
    precision = recall = f1 = 0.0
    if candidate.weights.any() and reference.weights.any():
        cosines = np.clip(candidate.vectors @ reference.vectors.T, 0.0, 1.0)
        precision = _weighted_mean(cosines.max(axis=1), candidate.weights)
        recall = _weighted_mean(cosines.max(axis=0), reference.weights)
        if precision + recall > 0:
            f1 = 2 * precision * recall / (precision + recall)
    return BertScore(precision, recall, f1, candidate.truncated, reference.truncated)


def _weighted_mean(values: NDArray[np.float32], weights: NDArray[np.float32]) -> float:
    return min(float(np.average(values.astype(np.float64), weights=weights)), 1.0)


def prime(items: Iterable[ScoringInput]) -> None:
    """Embeds the texts of many items in one batch, so that scoring them asks no encoder.

    Equal texts are embedded once. Items without an encoder, and those that have their embeddings
    already, are left as they are.
    """
    groups: dict[str, tuple[TextEncoder, list[ScoringInput]]] = {}
    for item in items:
        if item.encoder is not None and item.embeddings is None:
            groups.setdefault(item.encoder.signature, (item.encoder, []))[1].append(item)
    for encoder, group in groups.values():
        references = dict.fromkeys(item.reference.text for item in group)
        texts = list(references | dict.fromkeys(item.candidate.text for item in group))
        embedded = dict(zip(texts, encoder.encode(texts, keep=references), strict=True))
        for item in group:
            item.embeddings = embedded[item.candidate.text], embedded[item.reference.text]


def _match(item: ScoringInput) -> BertScore:
    prime((item,))
    if item.embeddings is None:
        raise no_encoder()
    return match_tokens(*item.embeddings)


def _compute(item: ScoringInput) -> tuple[float, tuple[float, ...]]:
    score = _match(item)
    return score.f1, (
        score.precision,
        score.recall,
        float(score.candidate_truncated),
        float(score.reference_truncated),
    )


def no_encoder() -> MetricUnavailableError:
    """What asking for BERTScore is answered with where there is no encoder."""
    return MetricUnavailableError(
        f"{NAME} needs a text encoder, and none is configured: set EXPART_SCORING_ENCODER to a "
        "model's hub id or folder (in Python, give ScoringInput an encoder), or leave the metric "
        "out",
        metric=NAME,
        setting="EXPART_SCORING_ENCODER",
    )


@cache
def _sign(options: ScoringOptions) -> str:
    return signature(
        NAME,
        encoder=options.encoder or _NO_ENCODER,
        measure="f1",
        idf="no",
        rescale="no",
        like=f"bert_score-{BERT_SCORE_VERSION}",
    )


BERTSCORE_METRICS = (
    Metric(
        name=NAME,
        description="F-measure of the token embeddings that explanation and reference share.",
        statistic_names=_STATISTICS,
        compute=_compute,
        sign=_sign,
        corpus_value=None,
        needs_encoder=True,
    ),
)
