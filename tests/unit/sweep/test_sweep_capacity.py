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
NEEDS = ModelNeeds(ReplicaMemory(2, 40, 0.9), places=2, max_replicas=3, weights_gib=14.6484375)

# Nothing is known: 150 tokens an answer at 20 tokens/s are 7.5 s a question, so that a replica of
# 2 places answers 2 / 7.5 questions a second. Loading 15,000 MiB at 100 MiB/s takes 150 s, and
# starting the engine 150 s more.
A_QUESTION_S = 7.5
A_REPLICA_PER_S = 2 / A_QUESTION_S


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
    assert (alpha.replicas, alpha.gpus, alpha.in_flight) == (3, 6, 6)
    assert alpha.questions_per_s == pytest.approx(3 * A_REPLICA_PER_S)
    assert alpha.seconds == pytest.approx(300 + 10 / (3 * A_REPLICA_PER_S))
    assert replace(beta, plan=alpha.plan) == alpha
    # Side by side: 2 models of 3 replicas of 2 GPUs, and as long as one of them.
    assert capacity.gpus == 12
    assert capacity.seconds == alpha.seconds
    assert capacity.gpu_hours == pytest.approx(12 * alpha.seconds / 3600)
    assert capacity.questions_per_s == pytest.approx(6 * A_REPLICA_PER_S)
    assert capacity.in_flight == 12


def test_as_many_drivers_as_keep_the_replicas_busy() -> None:
    # 6 questions on their way for a model, 5 by each driver.
    assert capacity_of(plan_of()).drivers == 2
    # 2 models x 3 replicas x 2 / 7.5 questions/s are far from 400 of a driver.
    assert capacity_of(plan_of(concurrency=6)).drivers == 1
    # 6 replicas of 150 questions/s each, 400 of a driver.
    fast = capacity_of(plan_of(concurrency=1024), known=Known(questions_per_s=150))
    assert fast.drivers == 3
    # A replica has 2 places: 150 a second means that each is taken for 2 / 150 s.
    assert (fast.models[0].in_flight, fast.models[0].pace.s_per_question) == (6, 2 / 150)


def test_no_more_questions_are_on_their_way_than_there_are() -> None:
    # 50 replicas have 100 places for 10 questions, which take as long as one of them.
    alpha, _ = capacity_of(plan_of(concurrency=99), Wish(replicas={"alpha": 50})).models
    assert (alpha.in_flight, alpha.seconds) == (10, 300 + A_QUESTION_S)


def test_fewer_drivers_leave_replicas_idle_and_that_is_said() -> None:
    plan, wish = plan_of(), Wish(drivers=1)
    alpha, _ = capacity_of(plan, wish).models
    # 5 questions on their way, each for 7.5 s.
    assert alpha.questions_per_s == pytest.approx(5 / A_QUESTION_S)
    assert alpha.seconds == pytest.approx(300 + 10 / (5 / A_QUESTION_S))
    # Fronts get what is sent: 5 for each of two models.
    assert capacity_of(plan, wish).in_flight == 10
    said = "alpha: drivers have 5 questions on their way (1 with concurrency 5), and its replicas"
    assert f"{said} take 6: raise concurrency to 6, or" in notes_of(plan, wish)


def test_no_concurrency_is_advised_that_a_spec_may_not_have() -> None:
    needs = replace(NEEDS, places=2000)
    # 1,030 questions for one driver and one model; 1,024 is the most that a spec takes.
    plan = plan_of(models=["alpha"], replicates=103, concurrency=1024)
    known, wish = Known(), Wish(drivers=1)
    notes = notes_on(capacity_of(plan, wish, known, needs), plan, wish, known)
    assert any("and its replicas take 1030: take more drivers" in note for note in notes)


def test_replicas_follow_from_the_hours() -> None:
    # 310 s less 300 s of loading: 10 questions in 10 s are 1 a second, and 1 / (2 / 7.5) = 3.75.
    wish = Wish(hours=310 / 3600)
    alpha, beta = capacity_of(plan_of(), wish).models
    assert (alpha.replicas, beta.replicas) == (4, 4)
    assert alpha.seconds == pytest.approx(300 + 10 / (4 * A_REPLICA_PER_S))
    assert "alpha: 4 replicas are more than its catalog entry allows" in notes_of(plan_of(), wish)


def test_models_that_take_turns_share_the_hours_and_the_gpus() -> None:
    plan = plan_of(max_parallel_models=1)
    # Two turns of 310 s each.
    capacity = capacity_of(plan, Wish(hours=620 / 3600))
    assert [model.replicas for model in capacity.models] == [4, 4]
    assert capacity.gpus == 8
    assert capacity.seconds == pytest.approx(2 * (300 + 10 / (4 * A_REPLICA_PER_S)))
    assert "1 of 2 models at the same time" in notes_of(plan)


def test_models_that_take_turns_wait_for_the_gpus_of_the_one_before() -> None:
    plan = plan_of(max_parallel_models=1)
    needs = replace(NEEDS, idle_s=90)
    # Two turns of 310 s, and 90 s between them.
    capacity = capacity_of(plan, Wish(hours=710 / 3600), needs=needs)
    assert [model.replicas for model in capacity.models] == [4, 4]
    taken_s = 300 + 10 / (4 * A_REPLICA_PER_S)
    assert capacity.seconds == pytest.approx(90 + 2 * taken_s)
    # 4 replicas of 2 GPUs of each model, until they are given back.
    assert capacity.gpu_hours == pytest.approx(2 * 8 * (taken_s + 90) / 3600)
    notes = notes_on(capacity, plan, Wish(), Known())
    assert any("the next models wait 90 s until they are given back" in note for note in notes)
    assert capacity_of(plan_of(), needs=needs).seconds == capacity_of(plan_of()).seconds
    assert capacity_of(plan_of(stored=20), needs=needs).seconds == 0


def test_hours_that_do_not_suffice_for_one_answer_are_refused_with_the_ways_out() -> None:
    # 300 s to load and 7.5 s for an answer; 0.085 hours are 306 s.
    with pytest.raises(UserInputError) as refused:
        capacity_of(plan_of(), Wish(hours=0.085))
    said = "--hours: alpha takes 300 s to load and 7.5 s for an answer, and has 306 s;"
    assert refused.value.message.startswith(said)
    assert "--load-s" in refused.value.message
    # 0.16 hours are two turns of 288 s.
    with pytest.raises(UserInputError, match=r"alpha .* and has 288 s; .*max_parallel_mod"):
        capacity_of(plan_of(max_parallel_models=1), Wish(hours=0.16))
    assert capacity_of(plan_of(), Wish(hours=0.085), Known(load_s=0)).models[0].replicas == 1


def test_large_models_take_longer_to_load() -> None:
    def load_s(needs: ModelNeeds, known: Known | None = None) -> float:
        return capacity_of(plan_of(), known=known, needs=needs).models[0].load_s

    # 100 GiB are 102,400 MiB.
    assert load_s(replace(NEEDS, weights_gib=100)) == 150 + 1024
    assert load_s(replace(NEEDS, weights_gib=None)) == 150 + 153.6  # as 15 GiB
    assert load_s(replace(NEEDS, weights_gib=100), Known(load_s=60)) == 60
    assert load_s(replace(NEEDS, runs_elsewhere=True)) == 0


def test_questions_that_would_not_wait_for_a_model_to_load_are_told() -> None:
    # 150 + 1,024 s are more than three deadlines of 300 s, and no more than three of 400 s.
    needs = replace(NEEDS, weights_gib=100)
    said = "alpha: takes 1,174 s to load where it is scaled to zero, and an attempt at a question"
    for deadline_s, is_told in ((300, True), (400, False)):
        plan = plan_of(deadline_s=deadline_s)
        notes = notes_on(capacity_of(plan, needs=needs), plan, Wish(), Known())
        assert any(note.startswith(said) for note in notes) is is_told


def test_a_kv_cache_that_holds_fewer_questions_than_are_assumed_is_told() -> None:
    # 4 contexts are 24 - 16 - 2 = 6 GiB, so one of 8,192 tokens 1.5 GiB. Weights and 2 GiB leave 6
    # of 24 GiB, for 32,768 tokens, and 26 of an L40S's 44, for 141,995. A question has 30 + 40 / 4
    # of text, 1,000 of the picture and 150 of the answer: 27 and 119 times 1,190 tokens.
    memory = ReplicaMemory(1, 24, 1.0)
    needs = ModelNeeds(memory, places=64, weights_gib=16, context=8192)
    known = Known(gpus=choose_gpus(["Mine=24", "L40S"]))
    plan = plan_of()
    notes = notes_on(capacity_of(plan, known=known, needs=needs), plan, Wish(), known)
    (told,) = [note for note in notes if note.startswith("alpha: the assumed pace is of 64")]
    assert "holds about 27 on Mine, of 1,190 tokens each" in told
    assert needs.cached_questions(choose_gpus(["L40S"])[0], 1190) == 119
    for unknown in (
        replace(needs, weights_gib=None),
        replace(needs, weights_gib=23),
        replace(needs, memory=ReplicaMemory(0, 24)),
    ):
        assert unknown.cached_questions(choose_gpus(["L40S"])[0], 1190) is None


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


@pytest.mark.parametrize(
    ("s_per_token", "said"),
    [
        # 60 tokens/s that each take so long: 0.6, 2 and 6 at a time, on a replica of 2 places.
        (0.01, "alpha: was measured with 0.6 questions at a time, and a replica takes 2"),
        (0.033, None),
        (0.1, "alpha: was measured with 6 questions at a time, and a replica takes 2: it had more"),
    ],
)
def test_a_measurement_of_another_load_is_told(s_per_token: float, said: str | None) -> None:
    pace = {"alpha": ModelPace(answers=40, tokens_per_s=60, s_per_token=s_per_token)}
    tokens = {"alpha": MeasuredRates(40, 60, 500, 200, None)}
    notes = notes_of(plan_of(), known=Known(earlier=EarlierSweep("before", pace, tokens, None, 1)))
    assert said in notes if said else "was measured with" not in notes


def test_adapters_of_one_model_are_said_to_share_its_replicas() -> None:
    tuned = {"model": "alpha", "adapter": "tuned"}
    assert "alpha, alpha+tuned: run on the same replicas of alpha" in notes_of(
        plan_of(models=["alpha", tuned])
    )
    assert "same replicas" not in notes_of(plan_of())


def test_money_is_for_tokens_and_for_the_hours_of_every_gpu() -> None:
    price = {"output_per_million_tokens": 10, "per_gpu_hour": 3.6}
    capacity = capacity_of(plan_of(prices={"models": {"alpha": price}}))
    alpha, beta = capacity.models
    # 1,500 tokens, and 6 GPUs for 312.5 s at a thousandth a second.
    assert alpha.seconds == pytest.approx(312.5)
    assert alpha.cost == pytest.approx(0.015 + 6 * 312.5 / 1000)
    assert beta.cost is None
    assert capacity.cost == alpha.cost


def test_fronts_let_in_what_is_on_its_way() -> None:
    # 12 questions, by one client: all drivers have the same token.
    assert capacity_of(plan_of(), front=FrontLimits(calls_per_client=5)).fronts == 3
    assert capacity_of(plan_of(), front=FrontLimits(calls_per_client=12)).fronts == 1


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
