"""Why generations are given up, what they waste, and how long cold starts take."""

import asyncio
from dataclasses import dataclass

import pytest

from services.core.errors import (
    DeadlineExceededError,
    EngineUnavailableError,
    GenerationAbortedError,
    InvalidRequestError,
    ModelFailedError,
    OverloadedError,
)
from services.generation.cold_starts import ColdStarts
from services.generation.domain import (
    Completion,
    FinishReason,
    Lane,
    ModelCondition,
    ModelState,
    Provenance,
    Timings,
    TokenUsage,
)
from services.generation.front_metrics import FrontMetrics
from services.generation.metrics_port import metrics_ports
from services.generation.token_pace import TokenPace
from services.telemetry.declarations import Buckets
from services.telemetry.generation_metrics import GenerationMetrics
from services.telemetry.instruments import Metrics
from tests.unit.generation.builders import sampling


@dataclass(frozen=True)
class Asked:
    """A request to a model."""

    is_out_of_time: bool = False
    max_tokens: int = 100
    model: str = "m"
    lane: Lane = Lane.SWEEP


def completion(tokens: int, decode_s: float = 0.0, prefill_s: float = 0.0) -> Completion:
    return Completion(
        request_id="r",
        finish_reason=FinishReason.STOP,
        usage=TokenUsage(7, 0, tokens),
        timings=Timings(0.0, prefill_s, decode_s, admission_s=0.25, total_s=2.0),
        provenance=Provenance("m", "", "", "", "", "", "", sampling(), ""),
    )


def counted() -> tuple[Metrics, FrontMetrics]:
    metrics = Metrics()
    front = FrontMetrics(metrics)
    front.use_models(["m"])
    return metrics, front


def causes(metrics: Metrics) -> dict[str, object]:
    found = metrics.values(GenerationMetrics.CANCELLED).items()
    return {cause: count for (_, cause), count in found if count}


@pytest.mark.parametrize(
    ("error", "is_out_of_time", "cause"),
    [
        (asyncio.CancelledError(), False, "client"),
        (asyncio.CancelledError(), True, "deadline"),
        (DeadlineExceededError("late"), True, "deadline"),
        (EngineUnavailableError("died"), False, "engine_lost"),
        (GenerationAbortedError("died"), False, "engine_lost"),
    ],
)
def test_a_generation_is_given_up_for_one_of_three_causes(
    error: BaseException, is_out_of_time: bool, cause: str
) -> None:
    metrics, front = counted()
    with pytest.raises(type(error)), front.generation(Asked(is_out_of_time)):
        raise error
    assert causes(metrics) == {cause: 1}


@pytest.mark.parametrize(
    "error",
    [OverloadedError("full"), InvalidRequestError("no"), ModelFailedError("no"), RuntimeError()],
)
def test_what_is_refused_or_breaks_was_not_given_up(error: Exception) -> None:
    metrics, front = counted()
    with pytest.raises(type(error)), front.generation(Asked()):
        raise error
    assert causes(metrics) == {}


def test_an_answer_is_counted_once_with_its_tokens_and_times() -> None:
    metrics, front = counted()
    with front.generation(Asked()) as watch:
        pass
    watch.answered(completion(tokens=11, decode_s=1.0, prefill_s=0.5), 44)
    assert causes(metrics) == {}
    values = metrics.values
    assert values(GenerationMetrics.EXPLANATIONS)["m", "sweep", "stop"] == 1
    assert values(GenerationMetrics.PROMPT_TOKENS)["m",] == 7
    assert values(GenerationMetrics.GENERATED_TOKENS)["m",] == 11
    # 0.25 s before a replica had it, and 0.5 s there.
    first = values(GenerationMetrics.FIRST_TOKEN_SECONDS)["m", "sweep"]
    assert isinstance(first, Buckets)
    assert first.sum == 0.75
    # Ten tokens after the first, in a second.
    per_token = values(GenerationMetrics.TOKEN_SECONDS)["m",]
    assert isinstance(per_token, Buckets)
    assert per_token.sum == pytest.approx(0.1)
    whole = values(GenerationMetrics.REQUEST_SECONDS)["m",]
    assert isinstance(whole, Buckets)
    assert whole.sum == 2.0


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), EngineUnavailableError("died while it said goodbye")]
)
def test_what_was_answered_is_not_given_up_whatever_comes_after(error: BaseException) -> None:
    metrics, front = counted()
    with pytest.raises(type(error)), front.generation(Asked(), lambda: 44) as watch:
        watch.answered(completion(tokens=11), 44)
        raise error
    assert causes(metrics) == {}
    assert metrics.values(GenerationMetrics.WASTED_TOKENS)["m", "client"] == 0
    assert metrics.values(GenerationMetrics.EXPLANATIONS)["m", "sweep", "stop"] == 1


def test_one_token_has_no_time_to_the_next() -> None:
    metrics, front = counted()
    with front.generation(Asked()) as watch:
        pass
    watch.answered(completion(tokens=1), 4)
    per_token = metrics.values(GenerationMetrics.TOKEN_SECONDS)["m",]
    assert isinstance(per_token, Buckets)
    assert per_token.cumulative[-1] == ("+Inf", 0)


def test_wasted_tokens_are_those_of_the_text_that_came_but_never_more_than_were_asked_for() -> None:
    metrics, front = counted()

    def wasted(chars: int, max_tokens: int) -> float:
        before = metrics.values(GenerationMetrics.WASTED_TOKENS)["m", "client"]
        with (
            pytest.raises(asyncio.CancelledError),
            front.generation(Asked(max_tokens=max_tokens), lambda: chars),
        ):
            raise asyncio.CancelledError
        after = metrics.values(GenerationMetrics.WASTED_TOKENS)["m", "client"]
        assert not isinstance(before, Buckets)
        assert not isinstance(after, Buckets)
        return after - before

    # Four characters a token, before the model has answered anybody.
    assert wasted(0, 100) == 0
    assert wasted(40, 100) == 10
    assert wasted(4000, 100) == 100


def test_a_generation_that_no_replica_had_wasted_nothing() -> None:
    metrics, front = counted()
    with pytest.raises(asyncio.CancelledError), front.generation(Asked()):
        raise asyncio.CancelledError
    assert metrics.values(GenerationMetrics.WASTED_TOKENS)["m", "client"] == 0


def test_a_model_s_own_pace_is_learnt_from_what_it_finishes() -> None:
    pace = TokenPace()
    assert pace.tokens_of(60) == 15
    assert pace.tokens_in(60.0) == 0  # nobody knows
    for _ in range(200):  # far more than the averages remember
        pace.learn(completion(tokens=21, decode_s=2.0, prefill_s=1.0), 42)
    assert pace.tokens_of(60) == 30  # 42 characters for 21 tokens
    # The first after a second, then one every tenth of a second.
    assert pace.tokens_in(0.9) == 0
    assert pace.tokens_in(1.05) == 1
    assert pace.tokens_in(2.05) == 11
    pace.learn(completion(tokens=0), 0)
    assert pace.tokens_of(60) == 30


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


ASLEEP = {"m": ModelCondition(ModelState.SCALED_TO_ZERO, wakes=True)}
WAKING = {"m": ModelCondition(ModelState.LOADING, "starting", wakes=True)}
READY = {"m": ModelCondition(ModelState.READY, ready_replica_count=1)}
FAILED = {"m": ModelCondition(ModelState.FAILED, "no memory")}


class Starts:
    """Cold starts and what is told of them."""

    def __init__(self) -> None:
        self.metrics, self.clock = Metrics(), Clock()
        self.starts = ColdStarts(self.metrics, self.clock)
        self.starts.begin("m")

    def refresh(self, conditions: dict[str, ModelCondition], *, busy: bool = True) -> None:
        self.starts.refreshed(conditions, lambda _: busy)

    @property
    def told(self) -> tuple[object, int, float]:
        """How often a model was woken, how often a start ended, and what the starts took."""
        woken = self.metrics.values(GenerationMetrics.COLD_STARTS)["m",]
        took = self.metrics.values(GenerationMetrics.COLD_START_SECONDS)["m",]
        assert isinstance(took, Buckets)
        return woken, took.cumulative[-1][1], took.sum


def test_a_cold_start_lasts_from_the_first_call_until_a_replica_is_ready() -> None:
    service = Starts()
    service.refresh(ASLEEP)
    service.starts.called("m")
    service.clock.now_s += 3
    service.starts.called("m")  # the model is being woken already
    service.refresh(WAKING)
    service.clock.now_s += 4
    service.refresh(READY)
    assert service.told == (1, 1, 7.0)
    service.starts.called("m")
    service.refresh(READY)
    assert service.told == (1, 1, 7.0)


def test_a_start_that_nobody_waits_for_any_more_or_that_fails_is_not_measured() -> None:
    service = Starts()
    for end, busy in ((ASLEEP, False), (FAILED, True)):
        service.refresh(ASLEEP)
        service.starts.called("m")
        service.refresh(ASLEEP)  # Serve has not noticed yet, and the call waits
        service.refresh(end, busy=busy)
        service.clock.now_s += 50
        service.refresh(READY)
    assert service.told == (2, 0, 0.0)


def test_calls_to_a_model_that_is_there_or_unknown_wake_nothing() -> None:
    service = Starts()
    service.starts.called("m")
    service.refresh(READY)
    service.starts.called("m")
    assert service.told == (0, 0, 0.0)


def test_ports_for_metrics_end_with_the_last_there_is() -> None:
    assert list(metrics_ports(9464, 1)) == [9464]
    assert list(metrics_ports(9464, 3)) == [9464, 9465, 9466]
    assert list(metrics_ports(65_535, 3)) == [65_535]
    assert list(metrics_ports(0, 3)) == [0]
