"""The ExpArt metrics as a library: exact, self-describing, without a service.

Score one explanation by everything at once; the texts are analysed once:

>>> from services.metrics import METRICS, ScoringInput, score_all
>>> item = ScoringInput(
...     candidate="The Mona Lisa is a portrait by Leonardo. The Louvre is in Paris.",
...     reference="The Mona Lisa was painted by Leonardo da Vinci. It is in the Louvre in Paris.",
...     entities=["Mona Lisa", "Leonardo da Vinci", "Louvre", "Paris"],
... )
>>> scores = {score.metric: score for score in score_all(item)}
>>> scores["ec_exact"].value
0.75
>>> scores["ec_exact"].statistics, METRICS["ec_exact"].statistic_names
((3, 4), ('matched_entities', 'entities'))
>>> print(*scores["ec_exact"].signature.split("|")[1:5], sep=" | ")
generated:reference-entities-found | noentities:unscorable | case:sensitive | boundary:word

What a metric is not defined for is said, not numbered:

>>> [score] = score_all(ScoringInput("A picture.", "A painting.", []), ["ef1"])
>>> score.value is None, score.outcome
(True, Unscorable(reason=<UnscorableReason.NO_ENTITIES: 'NO_ENTITIES'>))

Keep the analysis of a reference to score several explanations against it:

>>> reference = TextAnalysis("Painted by Piet Mondrian in Paris.")
>>> for candidate in ("By Piet Mondrian.", "By Mondrian.", ""):
...     item = ScoringInput(candidate, reference, ["Piet Mondrian", "Paris"])
...     print([score.value for score in score_all(item, ["ec_exact", "ec_partial"])])
[0.5, 0.5]
[0.0, 0.25]
[0.0, 0.0]

Values are 0-1 (length: tokens). Means and corpus values come from :func:`aggregate`.
"""

from services.metrics.analysis import ScoringInput, TextAnalysis, input_violations
from services.metrics.bertscore import BertScore, bert_score, prime
from services.metrics.bleu import corpus_bleu
from services.metrics.embeddings import TextEncoder, TokenEmbeddings
from services.metrics.entity_cooccurrence import EntityCooccurrence, entity_cooccurrence
from services.metrics.entity_coverage import EntityCoverage, entity_coverage
from services.metrics.entity_f1 import EntityF1, entity_f1
from services.metrics.length import length, length_penalty
from services.metrics.metric import Metric
from services.metrics.options import (
    BoundaryRule,
    CaseRule,
    GeneratedEntitiesRule,
    NoPairsRule,
    PartialMatchRule,
    ScoringOptions,
    TokenizerRule,
)
from services.metrics.outcome import Score, Unscorable, UnscorableReason
from services.metrics.registry import DEFAULT_METRICS, METRICS, find_metrics, score_all
from services.metrics.statistics import Aggregate, Aggregation, NoPairsConvention, aggregate
from services.metrics.tokens import word_tokenize

__all__ = [
    "DEFAULT_METRICS",
    "METRICS",
    "Aggregate",
    "Aggregation",
    "BertScore",
    "BoundaryRule",
    "CaseRule",
    "EntityCooccurrence",
    "EntityCoverage",
    "EntityF1",
    "GeneratedEntitiesRule",
    "Metric",
    "NoPairsConvention",
    "NoPairsRule",
    "PartialMatchRule",
    "Score",
    "ScoringInput",
    "ScoringOptions",
    "TextAnalysis",
    "TextEncoder",
    "TokenEmbeddings",
    "TokenizerRule",
    "Unscorable",
    "UnscorableReason",
    "aggregate",
    "bert_score",
    "corpus_bleu",
    "entity_cooccurrence",
    "entity_coverage",
    "entity_f1",
    "find_metrics",
    "input_violations",
    "length",
    "length_penalty",
    "prime",
    "score_all",
    "word_tokenize",
]
