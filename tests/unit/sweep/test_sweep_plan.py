"""Planning: which questions are asked, in which order, and what is left after a run."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from services.benchmark.records import Dataset, Question, Setting, Split
from services.core.errors import UserInputError
from services.sweep.directory import FixedDirectory, ModelDescription
from services.sweep.keys import reference_digest
from services.sweep.plan import (
    Job,
    PlannedModel,
    ScoredAgainst,
    StoredResults,
    SweepPlan,
    make_jobs,
    make_plan,
    scored_otherwise,
    select_questions,
)
from services.sweep.spec import DatasetSpec, LimitsSpec, ModelChoice, SweepSpec

SPEC = SweepSpec(
    dataset=DatasetSpec(folder=Path("data")),
    models=(ModelChoice(model="alpha"), ModelChoice(model="beta")),
    output=Path("out"),
)
MODELS = tuple(
    PlannedModel(choice, ModelDescription(choice.model, revision=f"r-{choice.model}"))
    for choice in SPEC.models
)


def question(number: int, setting: Setting, split: Split = Split.TEST_SEEN) -> Question:
    return Question(
        id=f"{number}",
        question_id=f"{number}",
        artwork=f"work {number % 3}",
        title=f"work {number % 3}",
        section="History",
        setting=setting,
        split=split,
        instruction=f"Explain {number} {setting}",
        reference=f"Reference {number}",
        entities=("Reference",),
        image=f"{number % 3}.png",
    )


QUESTIONS = tuple(question(number, setting) for number in range(6) for setting in Setting)
DIGESTS = {f"{number}.png": f"sha256:{number}" for number in range(3)}


def jobs_of(
    questions: Sequence[Question] = QUESTIONS, spec: SweepSpec = SPEC, **digests: str
) -> tuple[Job, ...]:
    return make_jobs(questions, MODELS, spec, digests or DIGESTS)


def plan_of(jobs: Sequence[Job], stored: StoredResults) -> SweepPlan:
    dataset = Dataset("data", "flat", "sha256:0", QUESTIONS)
    missing = {job.question.image: "it is missing" for job in jobs if not job.has_picture}
    return make_plan(SPEC, dataset, MODELS, jobs, missing_pictures=missing, stored=stored)


def scored(*jobs: Job, signatures: str = "s1") -> dict[str, ScoredAgainst]:
    return {job.key: ScoredAgainst(job.reference_digest, signatures) for job in jobs}


def test_every_question_goes_to_every_model_under_a_key_of_its_own() -> None:
    jobs = jobs_of()
    assert len(jobs) == len({job.key for job in jobs}) == 12 * 2
    assert {(job.question.name, job.model.label) for job in jobs} == {
        (question.name, model.label) for question in QUESTIONS for model in MODELS
    }


def test_the_questions_of_one_picture_follow_each_other() -> None:
    images = [chosen.image for chosen in select_questions(QUESTIONS, SPEC)]
    # Six questions, two for each of three pictures, each in two settings.
    assert images == ["0.png"] * 4 + ["1.png"] * 4 + ["2.png"] * 4


def test_only_the_settings_of_the_spec_are_asked() -> None:
    spec = SPEC.model_copy(update={"settings": (Setting.WITH_TITLE,)})
    chosen = select_questions(QUESTIONS, spec)
    assert [item.setting for item in chosen] == [Setting.WITH_TITLE] * 6


def limited(most: int, seed: int = 0) -> SweepSpec:
    limits = LimitsSpec(max_questions_per_split=most)
    return SPEC.model_copy(update={"limits": limits, "seed": seed})


def test_a_limit_keeps_whole_questions_of_every_split_whatever_their_order() -> None:
    both = QUESTIONS + tuple(replace(item, split=Split.TEST_UNSEEN) for item in QUESTIONS)
    kept = select_questions(both, limited(2))
    assert len(kept) == 2 * 2 * 2  # questions, settings, splits
    for split in (Split.TEST_SEEN, Split.TEST_UNSEEN):
        for setting in Setting:
            of_both = [q for q in kept if q.split is split and q.setting is setting]
            assert len(of_both) == 2
    assert {item.name for item in select_questions(both[::-1], limited(2))} == {
        item.name for item in kept
    }


def test_a_greater_limit_keeps_the_questions_of_the_smaller_one() -> None:
    kept = [
        {item.question_id for item in select_questions(QUESTIONS, limited(most))}
        for most in range(1, 7)
    ]
    assert [len(ids) for ids in kept] == [1, 2, 3, 4, 5, 6]
    assert all(less < more for less, more in pairwise(kept))


def test_another_seed_keeps_other_questions() -> None:
    drawn = {
        frozenset(item.question_id for item in select_questions(QUESTIONS, limited(2, seed)))
        for seed in range(10)
    }
    assert len(drawn) > 1


def test_what_is_stored_and_scored_is_not_done_again() -> None:
    jobs = jobs_of()
    done, unscored, failed, left = jobs[0], jobs[1], jobs[2], jobs[3:]
    stored = StoredResults(
        generated=frozenset({done.key, unscored.key}),
        scored=scored(done),
        failed=frozenset({failed.key}),
    )
    plan = plan_of(jobs, stored)
    assert plan.to_generate == left
    assert plan.to_score == (unscored,)
    assert plan.has_work
    alpha, beta = plan.by_model()
    assert (alpha.planned, alpha.done, alpha.failed, alpha.to_generate) == (12, 2, 1, 9)
    assert (beta.planned, beta.done, beta.failed, beta.to_generate) == (12, 0, 0, 12)


def test_with_everything_stored_there_is_nothing_left() -> None:
    jobs = jobs_of()
    stored = StoredResults(generated=frozenset(job.key for job in jobs), scored=scored(*jobs))
    plan = plan_of(jobs, stored)
    assert not plan.has_work
    assert "nothing to ask" in plan.summary()


def test_results_for_other_sampling_or_revisions_do_not_count() -> None:
    keys = {job.key for job in jobs_of()}
    other = SPEC.model_copy(update={"system_text": "Be brief."})
    assert not keys & {job.key for job in jobs_of(spec=other)}
    newer = [
        PlannedModel(model.choice, ModelDescription(model.choice.model, "newer"))
        for model in MODELS
    ]
    assert not keys & {job.key for job in make_jobs(QUESTIONS, newer, SPEC, DIGESTS)}


def test_a_mended_reference_is_scored_anew_and_not_asked_again() -> None:
    jobs = jobs_of()
    stored = StoredResults(generated=frozenset(job.key for job in jobs), scored=scored(*jobs))
    mended = (replace(QUESTIONS[0], reference="Mended"), *QUESTIONS[1:])
    plan = plan_of(jobs_of(mended), stored)
    assert plan.to_generate == ()
    assert [job.question.name for job in plan.to_score] == [QUESTIONS[0].name] * 2
    assert plan.to_score[0].reference_digest == reference_digest("Mended", ("Reference",))


def test_what_cannot_be_scored_is_not_tried_again_until_its_reference_is_mended() -> None:
    jobs = jobs_of()
    stored = StoredResults(
        generated=frozenset(job.key for job in jobs),
        scored=scored(*jobs[1:]),
        scoring_failed={jobs[0].key: jobs[0].reference_digest},
    )
    assert not plan_of(jobs, stored).has_work
    mended = (replace(QUESTIONS[0], entities=()), *QUESTIONS[1:])
    assert plan_of(jobs_of(mended), stored).to_score


def test_scores_with_other_signatures_are_found() -> None:
    jobs = jobs_of()
    stored = StoredResults(
        generated=frozenset(job.key for job in jobs),
        scored={**scored(*jobs[:20]), **scored(*jobs[20:], signatures="s2")},
    )
    plan = plan_of(jobs, stored)
    assert scored_otherwise(plan, "s1") == jobs[20:]
    assert scored_otherwise(plan, "s2") == jobs[:20]


def test_scores_of_different_signatures_are_work_that_is_left() -> None:
    jobs = jobs_of()
    stored = StoredResults(
        generated=frozenset(job.key for job in jobs),
        scored={**scored(*jobs[:20]), **scored(*jobs[20:], signatures="s2")},
    )
    plan = plan_of(jobs, stored)
    assert (plan.to_generate, plan.to_score) == ((), ())
    assert plan.has_work
    assert "different signatures" in plan.summary()
    # Of the questions planned now, all scores are alike: the others stand in no table.
    assert not plan_of(jobs[20:], stored).has_work


def test_questions_without_a_picture_are_set_apart_and_get_another_key_with_it() -> None:
    found = {image: digest for image, digest in DIGESTS.items() if image != "1.png"}
    jobs = jobs_of(**found)
    plan = plan_of(jobs, StoredResults())
    assert {job.question.image for job in plan.without_picture} == {"1.png"}
    assert len(plan.without_picture) == 4 * 2
    assert len(plan.to_generate) == 8 * 2
    assert "missing pictures, whose questions count as failed: 1;" in plan.summary()
    assert plan.by_model()[0].failed == 4
    with_picture = {job.key for job in jobs_of()}
    assert not with_picture & {job.key for job in plan.without_picture}


def test_the_plans_digest_follows_questions_and_references() -> None:
    plan = plan_of(jobs_of(), StoredResults())
    assert plan.digest == plan_of(jobs_of(), StoredResults()).digest
    mended = (replace(QUESTIONS[0], reference="Mended"), *QUESTIONS[1:])
    others = [jobs_of(mended), jobs_of(QUESTIONS[1:])]
    assert len({plan.digest, *(plan_of(jobs, StoredResults()).digest for jobs in others)}) == 3


def test_a_directory_names_the_models_that_it_has() -> None:
    directory = FixedDirectory(
        [ModelDescription("alpha", "r1"), ModelDescription("floating", "")], "the catalog"
    )
    assert directory.describe("alpha").revision == "r1"
    with pytest.raises(UserInputError, match=r"no model 'gamma' in the catalog; it has alpha, fl"):
        directory.describe("gamma")
    with pytest.raises(UserInputError, match="revision of model 'floating'"):
        directory.describe("floating")
