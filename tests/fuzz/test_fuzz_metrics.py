"""Tens of thousands of hostile inputs to the metrics: no crash, no hang, every value in range."""

import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.core.errors import InvalidRequestError
from services.metrics import METRICS, ScoringInput, Unscorable, score_all
from services.metrics.fake_encoder import FakeEncoder
from tests.fuzz.bounded_work import bounded_work
from tests.fuzz.scoring_inputs import fuzzed_item

METRIC_INPUTS = 50_000
ENCODER = FakeEncoder()


@pytest.mark.slow
@settings(
    max_examples=METRIC_INPUTS,
    deadline=None,  # its processor time is bounded instead
    suppress_health_check=list(HealthCheck),
)
@given(data=st.binary(max_size=150))
def test_every_input_is_scored_within_range_or_refused(data: bytes) -> None:
    fuzzed = fuzzed_item(data)
    try:
        item = ScoringInput(
            fuzzed.candidate,
            fuzzed.reference,
            fuzzed.entities,
            fuzzed.options,
            candidate_entities=fuzzed.candidate_entities,
            encoder=ENCODER,
        )
    except InvalidRequestError:
        return
    with bounded_work():
        scores = score_all(item, tuple(METRICS))
    for score in scores:
        metric = METRICS[score.metric]
        assert len(score.statistics) == len(metric.statistic_names)
        assert all(map(math.isfinite, score.statistics))
        if not isinstance(score.outcome, Unscorable):
            assert metric.min_value <= score.outcome <= metric.max_value
            assert math.isfinite(score.outcome)
        if metric.corpus_value is not None:
            corpus = metric.corpus_value(score.statistics)
            assert corpus is None or metric.min_value <= corpus <= metric.max_value
