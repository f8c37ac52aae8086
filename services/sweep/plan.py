"""What a sweep has to do: pure functions from questions, models and stored results to jobs."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.benchmark.records import Dataset, Question, Split
from services.sweep.directory import ModelDescription
from services.sweep.keys import KeyIngredients, content_digest, question_key, reference_digest
from services.sweep.spec import ModelChoice, SweepSpec

# Stands in a key for the digest of a picture that is not there; with the picture comes a new key.
_NO_PICTURE = "missing:"


@dataclass(frozen=True, slots=True)
class PlannedModel:
    """A model as this sweep asks it.

    Attributes:
        choice: Model and adapter.
        description: What the directory says of the model.
    """

    choice: ModelChoice
    description: ModelDescription

    @property
    def label(self) -> str:
        """How tables name it."""
        return self.choice.label


@dataclass(frozen=True, slots=True)
class Job:
    """One question to one model.

    Attributes:
        key: Names the result.
        question: What to ask.
        model: Whom to ask.
        image_digest: ``sha256:…`` of the picture, or a marker that it is missing.
        reference_digest: Names what the answer is scored against.
    """

    key: str
    question: Question
    model: PlannedModel
    image_digest: str
    reference_digest: str

    @property
    def has_picture(self) -> bool:
        """Whether the picture was found when the sweep was planned."""
        return not self.image_digest.startswith(_NO_PICTURE)


class ScoredAgainst(NamedTuple):
    """What an explanation's last scores were computed against, and how."""

    reference_digest: str
    signatures_digest: str


@dataclass(frozen=True, slots=True)
class StoredResults:
    """What the tables of an output folder hold already.

    Attributes:
        generated: Keys with a stored explanation.
        scored: For each key, what its last scores were computed against, unless retired.
        failed: Keys whose generation failed in a way that asking again does not mend.
        scoring_failed: For each key, what scoring it against failed for good.
        without_picture: Keys whose picture is recorded as missing.
    """

    generated: frozenset[str] = frozenset()
    scored: Mapping[str, ScoredAgainst] = field(default_factory=dict)
    failed: frozenset[str] = frozenset()
    scoring_failed: Mapping[str, str] = field(default_factory=dict)
    without_picture: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """How much of a sweep falls to one model, in questions.

    Attributes:
        label: How tables name the model.
        planned: Questions in all.
        done: Answered already.
        failed: Failed for good, or without a picture.
        to_generate: Still to be asked.
        to_score: Answered, but not scored.
    """

    label: str
    planned: int
    done: int
    failed: int
    to_generate: int
    to_score: int


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """Everything that a sweep would do now, and what it has done already.

    Attributes:
        spec: The sweep spec.
        dataset: The dataset that was read, with all its questions.
        models: The models, in the order of the spec.
        jobs: Every question to every model, done or not.
        to_generate: Jobs without an explanation that may yet get one, artwork by artwork.
        to_score: Jobs whose stored explanation has no scores against the present reference.
        without_picture: Jobs that cannot be asked because their picture is missing.
        missing_pictures: For each missing picture, one line saying what was looked for.
        stored: What the output folder holds.
    """

    spec: SweepSpec
    dataset: Dataset
    models: tuple[PlannedModel, ...]
    jobs: tuple[Job, ...]
    to_generate: tuple[Job, ...]
    to_score: tuple[Job, ...]
    without_picture: tuple[Job, ...]
    missing_pictures: Mapping[str, str]
    stored: StoredResults

    @property
    def has_work(self) -> bool:
        """Whether there is anything left to generate or to score."""
        return bool(self.to_generate or self.to_score or self.has_mixed_signatures)

    @property
    def has_mixed_signatures(self) -> bool:
        """Whether stored scores differ in their signatures and so cannot stand in one table."""
        scored = [job for job in self.jobs if has_scores(job, self.stored)]
        return len({self.stored.scored[job.key].signatures_digest for job in scored}) > 1

    @property
    def digest(self) -> str:
        """Names the set of planned questions and references."""
        return content_digest("\n".join(f"{job.key} {job.reference_digest}" for job in self.jobs))

    def summary(self) -> str:
        """Says for people what is planned, done and left, one line a model."""
        lines = [
            f"{self.dataset.folder}: {len(self.jobs) // len(self.models)} questions for each of "
            f"{len(self.models)} models, read by field mapping {self.dataset.mapping}"
        ]
        for model in self.by_model():
            left = f"{model.to_generate} to ask" if model.to_generate else "nothing to ask"
            score = f", {model.to_score} to score" if model.to_score else ""
            failed = f", {model.failed} failed for good or without a picture" * bool(model.failed)
            lines.append(f"  {model.label}: {left}{score}, {model.done} answered before{failed}")
        if self.has_mixed_signatures:
            lines.append("  scores of different signatures, which are made alike")
        if self.missing_pictures:
            first = next(iter(self.missing_pictures.values()))
            lines.append(
                f"  missing pictures, whose questions count as failed: "
                f"{len(self.missing_pictures)}; the first: {first}"
            )
        return "\n".join(lines)

    def by_model(self) -> tuple[ModelPlan, ...]:
        """Counts the questions of each model."""
        return tuple(_count(self, model) for model in self.models)


def select_questions(questions: Sequence[Question], spec: SweepSpec) -> tuple[Question, ...]:
    """Keeps the questions in the spec's settings, within its limits, artwork by artwork.

    A limit keeps the same questions whatever the order of the file, each in every setting.
    """
    chosen = [question for question in questions if question.setting in spec.settings]
    most = spec.limits.max_questions_per_split
    if most is not None:
        kept = {
            (split, name) for split in spec.splits for name in _draw(chosen, split, spec.seed, most)
        }
        chosen = [question for question in chosen if (question.split, question.question_id) in kept]
    first_seen: dict[str, int] = {}
    for question in chosen:
        first_seen.setdefault(question.image, len(first_seen))
    return tuple(sorted(chosen, key=lambda question: first_seen[question.image]))


def make_jobs(
    questions: Sequence[Question],
    models: Sequence[PlannedModel],
    spec: SweepSpec,
    digests: Mapping[str, str],
) -> tuple[Job, ...]:
    """Crosses questions with models.

    Args:
        questions: The questions to ask.
        models: The models to ask.
        spec: Says how to ask.
        digests: Content digest of each picture that was found, by the questions' ``image``.
    """
    references = [reference_digest(question.reference, question.entities) for question in questions]
    jobs = []
    for model in models:
        for question, reference in zip(questions, references, strict=True):
            image_digest = digests.get(question.image) or _NO_PICTURE + question.image
            key = question_key(
                KeyIngredients(
                    question=question.name,
                    image_digest=image_digest,
                    instruction=question.instruction,
                    system_text=spec.system_text,
                    sampling=spec.sampling,
                    model=model.description.name,
                    revision=model.description.revision,
                    adapter=model.choice.adapter,
                )
            )
            jobs.append(Job(key, question, model, image_digest, reference))
    return tuple(jobs)


def make_plan(
    spec: SweepSpec,
    dataset: Dataset,
    models: Sequence[PlannedModel],
    jobs: Sequence[Job],
    *,
    missing_pictures: Mapping[str, str],
    stored: StoredResults,
) -> SweepPlan:
    """Takes what is stored from what is planned."""
    to_generate: list[Job] = []
    to_score: list[Job] = []
    without_picture: list[Job] = []
    for job in jobs:
        if job.key in stored.generated:
            failed_against = stored.scoring_failed.get(job.key)
            if not has_scores(job, stored) and failed_against != job.reference_digest:
                to_score.append(job)
        elif not job.has_picture:
            without_picture.append(job)
        elif job.key not in stored.failed:
            to_generate.append(job)
    return SweepPlan(
        spec=spec,
        dataset=dataset,
        models=tuple(models),
        jobs=tuple(jobs),
        to_generate=tuple(to_generate),
        to_score=tuple(to_score),
        without_picture=tuple(without_picture),
        missing_pictures=missing_pictures,
        stored=stored,
    )


def scored_otherwise(plan: SweepPlan, signatures_digest: str) -> tuple[Job, ...]:
    """Jobs whose stored scores carry other signatures than the scoring service has now.

    Scores of different signatures cannot stand in one table, so these are computed again.
    """
    return tuple(
        job
        for job in plan.jobs
        if has_scores(job, plan.stored)
        and plan.stored.scored[job.key].signatures_digest != signatures_digest
    )


def has_scores(job: Job, stored: StoredResults) -> bool:
    """Whether scores of a job against its present reference are stored."""
    scored = stored.scored.get(job.key)
    return scored is not None and scored.reference_digest == job.reference_digest


def _draw(questions: Sequence[Question], split: Split, seed: int, most: int) -> list[str]:
    names = {question.question_id for question in questions if question.split is split}
    return sorted(
        names, key=lambda name: hashlib.sha256(f"{seed}/{split}/{name}".encode()).digest()
    )[:most]


def _count(plan: SweepPlan, model: PlannedModel) -> ModelPlan:
    planned = sum(job.model is model for job in plan.jobs)
    to_generate = sum(job.model is model for job in plan.to_generate)
    done = sum(job.model is model and job.key in plan.stored.generated for job in plan.jobs)
    return ModelPlan(
        label=model.label,
        planned=planned,
        done=done,
        failed=planned - done - to_generate,
        to_generate=to_generate,
        to_score=sum(job.model is model for job in plan.to_score),
    )
