"""The ExpArt metrics as a library: exact, self-describing, without a service.

Each metric is a function of texts:

>>> from services.metrics import entity_cooccurrence, entity_coverage, entity_f1
>>> from services.metrics import bleu, length, rouge

>>> candidate = "The Mona Lisa is a portrait by Leonardo. The Louvre is in Paris."
>>> reference = "The Mona Lisa was painted by Leonardo da Vinci. It is in the Louvre in Paris."
>>> entities = ["Mona Lisa", "Leonardo da Vinci", "Louvre", "Paris"]

>>> entity_coverage(candidate, entities)
EntityCoverage(exact=0.75, partial=0.8333333333333334)
>>> entity_f1(candidate, reference, entities)
EntityF1(f1=0.8571428571428571, precision=1.0, recall=0.75)
>>> entity_cooccurrence(candidate, reference, entities)
EntityCooccurrence(window_0=0.5, window_1=0.5, window_2=0.5, window_inf=0.5)
>>> rouge(candidate, reference).rouge_1
RougeScore(f1=0.6896551724137931, precision=0.7692307692307693, recall=0.625)
>>> round(bleu(candidate, reference).score, 3), length(candidate)
(0.173, 15)

What a metric is not defined for is said, not numbered:

>>> entity_f1("A picture.", "A painting.", [])
Unscorable(reason=<UnscorableReason.NO_ENTITIES: 'NO_ENTITIES'>)

What the benchmark leaves open is an option:

>>> whole = ScoringOptions(case=CaseRule.INSENSITIVE, boundary=BoundaryRule.SUBSTRING)
>>> entity_coverage("louvres", ["Louvre"], whole).exact
1.0

To score an explanation by everything at once, as the service does, analysing its texts once:

>>> item = ScoringInput(candidate, reference, entities)
>>> scores = {score.metric: score for score in score_all(item)}
>>> scores["ec_exact"].value
0.75
>>> scores["ec_exact"].statistics, METRICS["ec_exact"].statistic_names
((3, 4), ('matched_entities', 'entities'))
>>> print(*scores["ec_exact"].signature.split("|")[1:5], sep=" | ")
generated:reference-entities-found | noentities:unscorable | case:sensitive | boundary:word

Keep the analysis of a reference to score several explanations against it. Means, with the mean
precision and recall, and corpus values come from :func:`aggregate`, or from an
:class:`Aggregation` that scores are added to as they come:

>>> known, f1 = TextAnalysis("Painted by Piet Mondrian in Paris."), Aggregation()
>>> for text in ("By Piet Mondrian.", "By Mondrian, in Paris, Paris!", ""):
...     item = ScoringInput(text, known, ["Piet Mondrian", "Paris"])
...     [score] = score_all(item, ["ef1"])
...     print(round(score.value, 3))
...     f1.add(score)
0.667
0.5
0.0
>>> found = f1.result()
>>> print(f"{found.mean:.3f} {found.precision:.3f} {found.recall:.3f} {found.corpus_value:.3f}")
0.389 0.500 0.333 0.444

Values are 0-1 (length: tokens).
"""

from services.metrics.analysis import ScoringInput, TextAnalysis, input_violations
from services.metrics.bertscore import BertScore, bert_score, prime
from services.metrics.bleu import Bleu, bleu, corpus_bleu
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
from services.metrics.rouge import Rouge, RougeScore, rouge
from services.metrics.statistics import Aggregate, Aggregation, NoPairsConvention, aggregate
from services.metrics.tokens import word_tokenize

__all__ = [
    "DEFAULT_METRICS",
    "METRICS",
    "Aggregate",
    "Aggregation",
    "BertScore",
    "Bleu",
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
    "Rouge",
    "RougeScore",
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
    "bleu",
    "corpus_bleu",
    "entity_cooccurrence",
    "entity_coverage",
    "entity_f1",
    "find_metrics",
    "input_violations",
    "length",
    "length_penalty",
    "prime",
    "rouge",
    "score_all",
    "word_tokenize",
]
