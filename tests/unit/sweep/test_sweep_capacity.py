"""What a sweep needs, worked out by hand for ten questions to each of two models."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import UserInputError
from services.sweep.capacity.capacity import SweepCapacity, plan_capacity
from services.sweep.capacity.gpus import ReplicaMemory, choose_gpus
from services.sweep.capacity.measured import EarlierSweep, ModelPace
from services.sweep.capacity.needs import FrontLimits, Known, ModelNeeds, Wish
from services.sweep.capacity.notes import notes_on
from services.sweep.plan.plan import SweepPlan
from services.sweep.plan.rates import MeasuredRates
from tests.unit.sweep.planned_sweep import plan_of

FRONT = FrontLimits(calls_per_client=1000)
NEEDS = ModelNeeds(ReplicaMemory(2, 40, 0.9), places=4, max_replicas=3)

# Nothing is known: 150 tokens an answer at 20 tokens/s are 7.5 s a question, so that a replica of
# 4 places answers 4 / 7.5 questions a second. Loading takes 300 s.
A_QUESTION_S = 7.5
A_REPLICA_PER_S = 4 / A_QUESTION_S


def capacity_of(
    plan: SweepPlan,
    wish: Wish | None = None,
    known: Known | None = None,
    needs: ModelNeeds = NEEDS,
    front: FrontLimits = FRONT,
) -> SweepCapacity:
    by_name = {model.choice.model: needs for model in plan.models}
    return plan_capacity(plan, by_name, front, wish or Wish(), known or Known())


def notes_of(plan: SweepPlan, wish: Wish | None = None, known: Known | None = None) -> str:
    wish, known = wish or Wish(), known or Known()
    return "\n".join(notes_on(capacity_of(plan, wish, known), plan, wish, known))


def test_without_a_wish_the_replicas_are_those_that_the_catalog_allows() -> None:
    capacity = capacity_of(plan_of())
    alpha, beta = capacity.models
    assert (alpha.replicas, alpha.gpus, alpha.in_flight) == (3, 6, 12)
    assert alpha.questions_per_s == pytest.approx(3 * A_REPLICA_PER_S)
    assert alpha.seconds == pytest.approx(300 + 10 / (3 * A_REPLICA_PER_S))
    assert replace(beta, plan=alpha.plan) == alpha
    # Side by side: 2 models of 3 replicas of 2 GPUs, and as long as one of them.
    assert capacity.gpus == 12
    assert capacity.seconds == alpha.seconds
    assert capacity.gpu_hours == pytest.approx(12 * alpha.seconds / 3600)
    assert capacity.questions_per_s == pytest.approx(6 * A_REPLICA_PER_S)
    assert capacity.in_flight == 24


def test_as_many_drivers_as_keep_the_replicas_busy() -> None:
    # 12 questions on their way for a model, 5 by each driver.
    assert capacity_of(plan_of()).drivers == 3
    # 2 models x 3 replicas x 4 / 7.5 questions/s are far from 400 of a driver.
    assert capacity_of(plan_of(concurrency=12)).drivers == 1
    fast = Known(questions_per_s=150)
    # 6 replicas of 150 questions/s each, 400 of a driver. On their way: 3 x 150 x 7.5 = 3375.
    assert capacity_of(plan_of(concurrency=1024), known=fast).drivers == 4
    assert capacity_of(plan_of(concurrency=843), known=fast).drivers == 5


def test_fewer_drivers_leave_replicas_idle_and_that_is_said() -> None:
    plan, wish = plan_of(), Wish(drivers=1)
    alpha, _ = capacity_of(plan, wish).models
    # 5 questions on their way, each for 7.5 s.
    assert alpha.questions_per_s == pytest.approx(5 / A_QUESTION_S)
    assert alpha.seconds == pytest.approx(300 + 10 / (5 / A_QUESTION_S))
    assert "alpha: 1 drivers with concurrency 5 have 5 questions on their way" in notes_of(
        plan, wish
    )
    assert "raise concurrency to 12" in notes_of(plan, wish)


def test_replicas_follow_from_the_hours() -> None:
    # 305 s less 300 s of loading: 10 questions in 5 s are 2 a second, and 2 / (4 / 7.5) = 3.75.
    wish = Wish(hours=305 / 3600)
    alpha, beta = capacity_of(plan_of(), wish).models
    assert (alpha.replicas, beta.replicas) == (4, 4)
    assert alpha.seconds == pytest.approx(300 + 10 / (4 * A_REPLICA_PER_S))
    assert "alpha: 4 replicas are more than its catalog entry allows" in notes_of(plan_of(), wish)


def test_models_that_take_turns_share_the_hours_and_the_gpus() -> None:
    plan = plan_of(max_parallel_models=1)
    # Two turns of 305 s each.
    capacity = capacity_of(plan, Wish(hours=610 / 3600))
    assert [model.replicas for model in capacity.models] == [4, 4]
    assert capacity.gpus == 8
    assert capacity.seconds == pytest.approx(2 * (300 + 10 / (4 * A_REPLICA_PER_S)))
    assert "1 of 2 models at the same time" in notes_of(plan)


def test_hours_that_loading_alone_takes_are_refused_with_the_ways_out() -> None:
    with pytest.raises(UserInputError, match=r"--hours 0\.08: loading .* 0\.083 .* --load-s"):
        capacity_of(plan_of(), Wish(hours=0.08))
    assert capacity_of(plan_of(), Wish(hours=0.08), Known(load_s=0)).models[0].replicas == 1


def test_given_replicas_and_paces_make_the_time() -> None:
    known = Known(questions_per_s=0.5, load_s=0)
    alpha, beta = capacity_of(plan_of(concurrency=99), Wish(replicas={"alpha": 1}), known).models
    assert (alpha.replicas, alpha.seconds) == (1, 20)
    assert (beta.replicas, beta.seconds) == (3, pytest.approx(10 / 1.5))


def test_what_was_measured_goes_before_what_is_assumed() -> None:
    # Two replicas gave 60 tokens/s together, and an answer of 200 tokens took one 10 s.
    earlier = EarlierSweep(
        place="before",
        pace={"alpha": ModelPace(answers=40, tokens_per_s=60, s_per_token=0.05)},
        tokens={"alpha": MeasuredRates(40, 60, 500, 200, None)},
        scored_per_s=None,
        bytes_per_answer=1000,
    )
    capacity = capacity_of(plan_of(), known=Known(earlier=earlier, earlier_replicas=2))
    alpha, beta = capacity.models
    assert alpha.pace.questions_per_s == pytest.approx(30 / 200)
    assert alpha.pace.s_per_question == pytest.approx(10)
    assert alpha.in_flight == math.ceil(3 * 0.15 * 10)
    assert alpha.output_tokens == 10 * 200
    assert (alpha.pace.basis, beta.pace.basis) == ("measured", "assumed")
    assert capacity.store_bytes == 20 * 1000


def test_money_is_for_tokens_and_for_the_hours_of_every_gpu() -> None:
    price = {"output_per_million_tokens": 10, "per_gpu_hour": 3.6}
    capacity = capacity_of(plan_of(prices={"models": {"alpha": price}}))
    alpha, beta = capacity.models
    # 1,500 tokens, and 6 GPUs for 306.25 s at a thousandth a second.
    assert alpha.seconds == pytest.approx(306.25)
    assert alpha.cost == pytest.approx(0.015 + 6 * 306.25 / 1000)
    assert beta.cost is None
    assert capacity.cost == alpha.cost


def test_fronts_let_in_what_is_on_its_way() -> None:
    # 24 questions, by one client: all drivers have the same token.
    assert capacity_of(plan_of(), front=FrontLimits(calls_per_client=10)).fronts == 3
    assert capacity_of(plan_of(), front=FrontLimits(calls_per_client=24)).fronts == 1


@pytest.mark.parametrize(
    ("known", "metrics", "pods"),
    [
        # 2 models x 3 replicas x 200/s are 1,200/s; a pod of two workers scores 2,000.
        (Known(questions_per_s=200), [], 1),
        (Known(questions_per_s=200, scoring_workers=1), [], 2),
        (Known(questions_per_s=200, scored_per_s=100), [], 12),
        # Two cores encode 4 texts a second.
        (Known(questions_per_s=200), ["rouge_l", "bertscore"], 300),
    ],
)
def test_scoring_pods_keep_up_with_the_answers(known: Known, metrics: list[str], pods: int) -> None:
    plan = plan_of(concurrency=1024, metrics=metrics)
    assert capacity_of(plan, known=known).scoring_pods == pods


@pytest.mark.parametrize(("measured", "scored_per_s"), [(900, 2000), (9000, 3000)])
def test_a_measured_scoring_rate_is_a_lower_bound(measured: float, scored_per_s: float) -> None:
    earlier = EarlierSweep("before", {}, {}, scored_per_s=measured, bytes_per_answer=None)
    known = Known(earlier=earlier, earlier_scoring_pods=3)
    # Of three pods; one of two workers is assumed to score 2,000.
    assert capacity_of(plan_of(), known=known).scoring.value == scored_per_s


def test_what_is_answered_needs_nothing_more_than_its_place() -> None:
    plan = plan_of(stored=10)
    alpha, beta = capacity_of(plan).models
    assert (alpha.replicas, alpha.gpus, alpha.seconds, alpha.questions_per_s) == (0, 0, 0, 0)
    assert (alpha.plan.done, alpha.plan.to_generate) == (10, 0)
    assert beta.replicas == 3
    done = capacity_of(plan_of(stored=20))
    assert (done.seconds, done.gpus, done.drivers) == (0, 0, 1)
    assert done.store_bytes == 20 * 2500
    assert "nothing is left to ask" in notes_of(plan_of(stored=20))


def test_a_model_that_fits_no_gpu_gets_advice() -> None:
    known = Known(gpus=choose_gpus(["T4=14.5", "L4"]))
    # 2 T4 offer 0.9 x 29 GiB, 2 L4 0.9 x 44: 40 GiB fit on neither. Four of either hold 36 + 8.
    assert "40 GiB do not fit on 2 of T4, L4: split it over 4 x T4 or 4 x L4" in notes_of(
        plan_of(), known=known
    )
    assert "do not fit" not in notes_of(plan_of())


@given(
    questions_per_s=st.floats(0.01, 50),
    load_s=st.floats(0, 900),
    spare_h=st.floats(0.01, 100),
    at_a_time=st.integers(1, 5),
)
def test_the_hours_are_kept_with_no_replica_too_many(
    questions_per_s: float, load_s: float, spare_h: float, at_a_time: int
) -> None:
    plan = plan_of(models=["a", "b", "c"], max_parallel_models=at_a_time)
    turns = math.ceil(3 / min(3, at_a_time))
    wish = Wish(hours=turns * load_s / 3600 + spare_h)
    known = Known(questions_per_s=questions_per_s, load_s=load_s)
    capacity = capacity_of(plan, wish, known)
    assert wish.hours is not None
    assert capacity.seconds <= wish.hours * 3600 * (1 + 1e-6)
    for model in capacity.models:
        if model.replicas > 1:
            fewer = load_s + 10 / ((model.replicas - 1) * questions_per_s)
            assert fewer * turns > wish.hours * 3600 * (1 - 1e-6)
