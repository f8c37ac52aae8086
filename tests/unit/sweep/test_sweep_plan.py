"""Planning: which questions are asked, in which order, and what is left after a run."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from services.benchmark.records import Dataset, Question, Setting, Split
from services.core.errors import UserInputError
from services.sweep.plan.directory import FixedDirectory, ModelDescription
from services.sweep.plan.jobs import make_jobs
from services.sweep.plan.plan import Job, PlannedModel, SweepPlan, make_plan, scored_otherwise
from services.sweep.plan.rows import plan_row
from services.sweep.plan.stored import ScoredAgainst, StoredResults
from services.sweep.plan.variants import variants_of
from services.sweep.results.keys import reference_digest
from services.sweep.spec.controls import Control, ShownPictures
from services.sweep.spec.filters import select_questions
from services.sweep.spec.spec import (
    DatasetSpec,
    LimitsSpec,
    ModelChoice,
    PromptSpec,
    SamplingSpec,
    SweepSpec,
)

SPEC = SweepSpec(
    dataset=DatasetSpec(folder=Path("data")),
    models=(ModelChoice(model="alpha"), ModelChoice(model="beta")),
    sampling=SamplingSpec(temperature=0),
    output="out",
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
DATASET = Dataset("data", "flat", "sha256:0", QUESTIONS)
DIGESTS = {f"{number}.png": f"sha256:{number}" for number in range(3)}


def jobs_of(
    questions: Sequence[Question] = QUESTIONS,
    spec: SweepSpec = SPEC,
    models: Sequence[PlannedModel] = MODELS,
    **digests: str,
) -> tuple[Job, ...]:
    pictures = ShownPictures(QUESTIONS, spec.seed, (digests or DIGESTS).get)
    return make_jobs(questions, models, variants_of(spec), pictures)


def changed(**keys: object) -> SweepSpec:
    return SweepSpec.model_validate({**SPEC.model_dump(exclude_unset=True), **keys})


def keys_of(jobs: Sequence[Job]) -> set[str]:
    return {job.key for job in jobs}


def plan_of(jobs: Sequence[Job], stored: StoredResults) -> SweepPlan:
    missing = {job.question.image: "it is missing" for job in jobs if not job.has_picture}
    return make_plan(SPEC, DATASET, MODELS, jobs, missing_pictures=missing, stored=stored)


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
    keys = keys_of(jobs_of())
    briefly = changed(prompts={"plain": PromptSpec(system_text="Be brief.")})
    assert not keys & keys_of(jobs_of(spec=briefly))
    longer = changed(sampling=SamplingSpec(temperature=0, max_tokens=9))
    assert not keys & keys_of(jobs_of(spec=longer))
    newer, templated = (
        [PlannedModel(model.choice, replace(model.description, **change)) for model in MODELS]
        for change in ({"revision": "newer"}, {"chat_template_digest": "sha256:1"})
    )
    assert not keys & keys_of(jobs_of(models=newer))
    assert not keys & keys_of(jobs_of(models=templated))


def test_adding_to_the_spec_leaves_what_was_asked_as_it_is() -> None:
    before = keys_of(jobs_of())
    prompts = {"plain": PromptSpec(), "short": PromptSpec(template="{instruction} Be brief.")}
    samplings = {"cold": SamplingSpec(temperature=0), "warm": SamplingSpec(temperature=1)}
    rest = SPEC.model_dump(exclude_unset=True, exclude={"sampling"})
    for spec in (
        changed(prompts=prompts),
        SweepSpec.model_validate({**rest, "samplings": samplings}),
        changed(controls=list(Control)),
        changed(replicates=3),
    ):
        after = jobs_of(spec=spec)
        assert before < keys_of(after)
        assert len(after) == len(keys_of(after))


def test_replicates_of_a_sampling_by_chance_have_seeds_of_their_own() -> None:
    def seeds(**keys: object) -> dict[tuple[str, str, int], int | None]:
        return {
            (job.model.label, job.question.name, job.variant.replicate): job.sampling.seed
            for job in jobs_of(spec=changed(**keys))
        }

    warm = SamplingSpec(temperature=1)
    drawn = seeds(sampling=warm, replicates=2)
    assert drawn == seeds(sampling=warm, replicates=2)
    # 12 questions, twice; both models are sent the same.
    assert len(set(drawn.values())) == 12 * 2
    assert all(drawn["alpha", name, r] == drawn["beta", name, r] for _, name, r in drawn)
    assert set(drawn.values()).isdisjoint(seeds(sampling=warm, replicates=2, seed=1).values())
    # More replicates leave those of before as they are.
    assert drawn.items() <= seeds(sampling=warm, replicates=3).items()
    given = seeds(sampling=SamplingSpec(temperature=1, seed=5), replicates=2)
    assert {seed for (*_, replicate), seed in given.items() if replicate == 0} == {5}
    assert len({seed for (*_, replicate), seed in given.items() if replicate == 1}) == 12
    greedy = seeds(sampling=SamplingSpec(temperature=0), replicates=2)
    assert set(greedy.values()) == {None}


def test_a_derived_seed_is_the_one_that_the_documentation_describes() -> None:
    # python -c 'import hashlib; print(int.from_bytes(hashlib.sha256(
    #   b"sampling/3/1/test_seen/0/with_title").digest()[:4]) >> 1)'
    spec = changed(sampling=SamplingSpec(temperature=1), replicates=2, seed=3)
    job = next(
        job
        for job in jobs_of(spec=spec)
        if job.question.name == "test_seen/0/with_title" and job.variant.replicate == 1
    )
    assert job.sampling.seed == 2104786676


def test_a_prompt_says_what_is_sent() -> None:
    prompt = PromptSpec(system_text="You see.", template="Question: {instruction}?")
    job = jobs_of(spec=changed(prompts={"asked": prompt}))[0]
    assert job.instruction == "Question: Explain 0 with_title?"
    assert job.system_text == "You see."
    assert plan_row(job).prompt == "asked"


def test_a_control_says_what_is_shown() -> None:
    jobs = [job for job in jobs_of(spec=changed(controls=list(Control))) if job.model is MODELS[0]]
    by_control = {
        control: [job for job in jobs if job.variant.control is control] for control in Control
    }
    assert all(job.image == job.question.image for job in by_control[Control.NONE])
    assert all(
        job.image not in {job.question.image, None} for job in by_control[Control.WRONG_IMAGE]
    )
    assert all(
        job.image_digest == DIGESTS[job.image or ""] for job in by_control[Control.WRONG_IMAGE]
    )
    assert {(job.image, job.image_digest) for job in by_control[Control.NO_IMAGE]} == {(None, "")}
    assert [len(jobs) for jobs in by_control.values()] == [12, 12, 12]
    row = plan_row(by_control[Control.NO_IMAGE][0])
    assert (row.control, row.image) == ("no_image", "")


def test_what_failed_for_good_is_planned_again_on_request() -> None:
    jobs = jobs_of()
    stored = StoredResults(
        generated=frozenset(keys_of(jobs[2:])),
        scored=scored(*jobs[3:]),
        failed=frozenset(keys_of(jobs[:2])),
        scoring_failed={jobs[2].key: jobs[2].reference_digest},
    )
    assert not plan_of(jobs, stored).has_work
    again = make_plan(
        SPEC, DATASET, MODELS, jobs, missing_pictures={}, stored=stored, retry_failed=True
    )
    assert (again.to_generate, again.to_score) == (jobs[:2], (jobs[2],))


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
    assert "whose questions count as failed and are not asked: 1, of" in plan.summary()
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
