"""Which answers are shown where there are too many."""

import numpy as np
import pytest

from services.sweep.plan.plan import Job
from services.sweep.report.evidence import Evidence
from services.sweep.report.gathering import gather_evidence
from services.sweep.report.sources import open_sources
from services.sweep.report.viewer.choice import choose_answers
from tests.unit.sweep.report.asked_dataset import Asked, write_questions
from tests.unit.sweep.report.reported_sweep import finish_sweep

QUESTIONS = 30


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """30 questions in two settings to two models; beta fails at q07 and q21."""

    def answer(job: Job) -> str | None:
        is_refused = job.model.label == "beta" and job.question.id in {"q07", "q21"}
        return None if is_refused else "Rome."

    folder = tmp_path_factory.mktemp("choice")
    asked = [Asked(f"q{number:02}", "It is in Rome.", ("Rome",)) for number in range(QUESTIONS)]
    finish_sweep(
        folder / "out",
        answer=answer,
        artworks=None,
        dataset=write_questions(folder / "dataset", asked),
        splits=["test_seen"],
        metrics=["length"],
    )
    return gather_evidence(open_sources([str(folder / "out")]))


def questions_of(evidence: Evidence, rows: list[int]) -> set[str]:
    return {evidence.questions[evidence.question[row]].record for row in rows}


def test_all_answers_are_shown_where_they_are_no_more_than_wanted(evidence: Evidence) -> None:
    choice = choose_answers(evidence, most=120)
    assert (len(choice.rows), choice.total, choice.is_sample) == (120, 120, False)
    assert sorted(choice.rows.tolist()) == list(range(120))


def test_they_are_in_the_order_of_the_plan_by_question_setting_and_contender(
    evidence: Evidence,
) -> None:
    rows = choose_answers(evidence, most=120).rows
    order = [
        (
            evidence.questions[evidence.question[row]].record,
            evidence.setting[row],
            evidence.contender[row],
        )
        for row in rows.tolist()
    ]
    assert order == [
        (f"q{number:02}", setting, contender)
        for number in range(QUESTIONS)
        for setting in (0, 1)
        for contender in (0, 1)
    ]


def test_a_sample_is_of_whole_questions(evidence: Evidence) -> None:
    choice = choose_answers(evidence, most=50)
    # Each question has four answers: twelve questions have 48, and thirteen would have 52.
    assert (len(choice.rows), choice.total, choice.is_sample) == (48, 120, True)
    assert set(np.bincount(evidence.pair[choice.rows]).tolist()) <= {0, 4}


def test_questions_with_failures_come_first_until_they_make_a_tenth(evidence: Evidence) -> None:
    # A tenth of 80 is 8: both. A tenth of 40 is 4: one of them, whatever else is drawn.
    assert {"q07", "q21"} <= questions_of(evidence, choose_answers(evidence, 80).rows.tolist())
    for seed in range(5):
        shown = questions_of(evidence, choose_answers(evidence, 40, seed).rows.tolist())
        assert shown & {"q07", "q21"}
        assert len(shown) == 10


def test_a_seed_draws_the_same_sample_again_and_another_one_another(evidence: Evidence) -> None:
    samples = [choose_answers(evidence, 40, seed).rows.tolist() for seed in (0, 0, 1)]
    assert samples[0] == samples[1] != samples[2]


def test_a_larger_sample_holds_the_smaller_one(evidence: Evidence) -> None:
    # Below 40 answers no failed one goes before the others.
    small, large = (
        questions_of(evidence, choose_answers(evidence, most).rows.tolist()) for most in (16, 32)
    )
    assert len(small) == 4
    assert small < large


def test_one_question_is_shown_even_if_it_has_more_answers_than_wanted(evidence: Evidence) -> None:
    assert len(choose_answers(evidence, 1).rows) == 4
    assert len(choose_answers(evidence, 0).rows) == 0
