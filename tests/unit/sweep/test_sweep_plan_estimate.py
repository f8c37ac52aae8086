"""Estimates of tokens, time and money: assumed, measured or given."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.sweep.plan.cells import CellName, cells_of
from services.sweep.plan.estimate import GivenRates, estimate
from services.sweep.plan.rates import MeasuredRates, _rates, _Sums
from tests.unit.sweep.planned_sweep import plan_of

MEASURED = MeasuredRates(
    answers=50, text_tokens=60, image_tokens=500, output_tokens=200, questions_per_s=4
)


def test_without_anything_known_the_assumptions_count() -> None:
    alpha, beta = estimate(plan_of(), {}, GivenRates()).models
    # 10 questions of 40 characters: 10 tokens and 30 of the template, 1,000 of the picture.
    assert alpha.input_tokens == 10 * (10 + 30 + 1000)
    assert alpha.output_tokens == 10 * 150
    # 5 in flight at 20 tokens a second each.
    assert alpha.seconds == pytest.approx(1500 / (5 * 20))
    assert alpha.basis == "assumed"
    assert replace(alpha, label="beta") == beta


def test_what_is_answered_takes_nothing() -> None:
    alpha, beta = estimate(plan_of(stored=10), {}, GivenRates()).models
    assert (alpha.questions, alpha.input_tokens, alpha.seconds) == (0, 0, 0)
    assert beta.questions == 10


def test_an_answer_is_no_longer_than_the_sampling_allows() -> None:
    expected = estimate(plan_of(sampling={"max_tokens": 60}), {}, GivenRates())
    assert expected.output_tokens == 2 * 10 * 60


def test_the_prompt_counts_and_a_picture_that_is_not_shown_does_not() -> None:
    prompts = {"p": {"system_text": "s" * 20, "template": "{instruction}" + "t" * 20}}
    expected = estimate(plan_of(prompts=prompts, controls=["no_image"]), {}, GivenRates())
    assert expected.models[0].input_tokens == 10 * ((40 + 20 + 20) / 4 + 30)


def test_what_was_measured_goes_before_what_is_assumed() -> None:
    alpha, beta = estimate(plan_of(), {"alpha": MEASURED}, GivenRates()).models
    assert (alpha.input_tokens, alpha.output_tokens) == (10 * 560, 10 * 200)
    assert alpha.seconds == pytest.approx(10 / 4)
    assert alpha.basis == "measured over 50 stored answers"
    assert beta.basis == "assumed"


def test_what_is_given_goes_before_what_was_measured() -> None:
    given = GivenRates(questions_per_s=2, image_tokens=100, output_tokens=10)
    alpha, beta = estimate(plan_of(), {"alpha": MEASURED}, given).models
    assert (alpha.input_tokens, alpha.output_tokens, alpha.seconds) == (10 * 160, 10 * 10, 5)
    assert alpha.basis.startswith("given: 2 questions/s, 100 tokens a picture, 10 tokens an answer")
    assert beta.basis == "given: 2 questions/s, 100 tokens a picture, 10 tokens an answer"


@pytest.mark.parametrize(
    ("most", "seconds"),
    # Four models of 10 questions each at one a second.
    [(None, 10), (4, 10), (3, 20), (2, 20), (1, 40)],
)
def test_models_that_take_turns_take_longer(most: int | None, seconds: float) -> None:
    plan = plan_of(models=["a", "b", "c", "d"], max_parallel_models=most)
    assert estimate(plan, {}, GivenRates(questions_per_s=1)).seconds == pytest.approx(seconds)


def test_a_price_makes_money_of_tokens_and_hours() -> None:
    price = {
        "input_per_million_tokens": 3,
        "output_per_million_tokens": 10,
        "per_gpu_hour": 1.8,
    }
    expected = estimate(plan_of(prices={"models": {"alpha": price}}), {}, GivenRates())
    alpha, beta = expected.models
    # 10,400 tokens in, 1,500 out, 15 s of 2 GPUs.
    hours = 2 * 15 / 3600
    assert alpha.cost == pytest.approx(10_400 * 3e-6 + 1500 * 10e-6 + hours * 1.8)
    assert beta.cost is None
    assert expected.cost == alpha.cost
    assert estimate(plan_of(), {}, GivenRates()).cost is None


def test_a_finished_sweep_takes_no_time() -> None:
    assert estimate(plan_of(stored=20), {}, GivenRates()).seconds == 0


def test_cells_tell_apart_what_tables_tell_apart_and_are_in_order() -> None:
    plan = plan_of(stored=12, controls=["none", "no_image"], replicates=2)
    cells = cells_of(plan)
    # 2 models, 2 settings, 1 part, 2 controls; 5 questions, twice.
    assert [cell.planned for cell in cells] == [10] * 8
    assert cells[0].name == CellName("alpha", "with_title", "seen", "none", "plain", "default")
    assert [cell.name.model for cell in cells] == ["alpha"] * 4 + ["beta"] * 4
    assert sum(cell.done for cell in cells) == 12
    assert all(cell.planned == cell.done + cell.failed + cell.to_ask for cell in cells)
    assert sum(cell.to_score for cell in cells) == 12


def test_pauses_between_runs_are_no_time_of_running() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    # 11 answers at two a second, an hour of nothing, and 11 more at two a second.
    moments = [
        start + timedelta(hours=run, seconds=number / 2) for run in (0, 1) for number in range(11)
    ]
    import numpy as np

    times = np.array([int(moment.timestamp() * 1e6) for moment in moments], np.int64)
    sums = _Sums(answers=22, shown=11, prompt=22 * 50, image=11 * 20, output=22 * 7, times=[times])
    rates = _rates(sums)
    assert rates.questions_per_s == pytest.approx(2)
    assert rates.text_tokens == pytest.approx(40)  # (22 * 50 - 11 * 20) / 22
    assert (rates.image_tokens, rates.output_tokens) == (20, 7)
