"""What a sweep has to do: pure functions from planned and stored questions to what is left."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.benchmark.records import Dataset, Question
from services.sweep.plan.directory import ModelDescription
from services.sweep.plan.stored import StoredResults
from services.sweep.plan.variants import Variant
from services.sweep.results.keys import plan_digest
from services.sweep.spec.controls import MISSING
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import ModelChoice, SamplingSpec, SweepSpec


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

    @property
    def adapter_revision(self) -> str:
        """Revision of the adapter that is asked; empty without one."""
        return self.description.adapter_revisions.get(self.choice.adapter, "")


@dataclass(frozen=True, slots=True)
class Job:
    """One question to one model, asked in one way.

    There are hundreds of thousands: what they share is shared, and the rest is derived.

    Attributes:
        key: Names the result.
        question: What to ask.
        model: Whom to ask.
        variant: How to ask.
        image: The picture that is shown, as records name it; None for no picture.
        image_digest: ``sha256:…`` of that picture, a marker that it is missing, or empty.
        reference_digest: Names what the answer is scored against.
    """

    key: str
    question: Question
    model: PlannedModel
    variant: Variant
    image: str | None
    image_digest: str
    reference_digest: str

    @property
    def has_picture(self) -> bool:
        """Whether the picture was found when the sweep was planned, or none is needed."""
        return not self.image_digest.startswith(MISSING)

    @property
    def instruction(self) -> str:
        """The words that are sent."""
        return self.variant.prompt.instruction(self.question.instruction)

    @property
    def system_text(self) -> str:
        """The system text that is sent; may be empty."""
        return self.variant.prompt.system_text

    @property
    def sampling(self) -> SamplingSpec:
        """The sampling parameters that are sent."""
        return self.variant.sampling_for(self.question.name)


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
        shard: The share of the sweep that this is a plan of.
        dataset: The dataset that was read, with all its questions.
        models: The models, in the order of the spec.
        jobs: Every question to every model in every way, done or not.
        to_generate: Jobs without an explanation that may yet get one, artwork by artwork.
        to_score: Jobs whose stored explanation has no scores against the present reference.
        without_picture: Jobs that cannot be asked because their picture is missing.
        missing_pictures: For each missing picture, one line saying what was looked for.
        stored: What the output holds of the planned questions.
        retry_failed: Whether what failed for good is done again.
        left_out: For each model of the spec that is not there, one line saying why. Its questions
            are not planned; a later run asks them.
    """

    spec: SweepSpec
    shard: Shard
    dataset: Dataset
    models: tuple[PlannedModel, ...]
    jobs: tuple[Job, ...]
    to_generate: tuple[Job, ...]
    to_score: tuple[Job, ...]
    without_picture: tuple[Job, ...]
    missing_pictures: Mapping[str, str]
    stored: StoredResults
    retry_failed: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_work(self) -> bool:
        """Whether there is anything left to generate or to score."""
        return bool(self.to_generate or self.to_score or self.rescoring)

    @property
    def has_mixed_signatures(self) -> bool:
        """Whether stored scores differ in their signatures and so cannot stand in one table."""
        scored = (job for job in self.jobs if has_scores(job, self.stored))
        return len({self.stored.scored[job.key].signatures_digest for job in scored}) > 1

    @property
    def scored_otherwise_count(self) -> int:
        """How many answers are scored by other metrics or options than those of the spec."""
        others = self.stored.other_scorings
        if not others:
            return 0
        scored = (job.key for job in self.jobs if has_scores(job, self.stored))
        return sum(self.stored.scored[key].signatures_digest in others for key in scored)

    @property
    def rescoring(self) -> str:
        """Says for people which stored scores a run replaces, and why; empty for none."""
        if others := self.scored_otherwise_count:
            return (
                f"{others} answers are scored by other metrics or options than the spec's, and a "
                "run scores them again; what shall stay belongs into metrics and scoring_options"
            )
        if self.has_mixed_signatures:
            return "stored scores have different signatures, and a run makes them alike"
        return ""

    @property
    def digest(self) -> str:
        """Names the planned questions, their references, and what tables call them."""
        return plan_digest(
            (
                job.key,
                job.reference_digest,
                job.question.question_id,
                job.question.artwork,
                job.question.title,
                job.question.section,
                job.image or "",
                job.variant.prompt.name,
                job.variant.sampling.name,
            )
            for job in self.jobs
        )

    def summary(self) -> str:
        """Says for people what is planned, done and left, one line a model."""
        of_shard = f", shard {self.shard.label}" if self.shard.count > 1 else ""
        lines = [
            f"{self.dataset.folder}: {len(self.jobs) // len(self.models)} questions for each of "
            f"{len(self.models)} models{of_shard}, read by field mapping {self.dataset.mapping}"
        ]
        for model in self.by_model():
            left = f"{model.to_generate} to ask" if model.to_generate else "nothing to ask"
            score = f", {model.to_score} to score" if model.to_score else ""
            failed = f", {model.failed} failed for good or without a picture" * bool(model.failed)
            lines.append(f"  {model.label}: {left}{score}, {model.done} answered before{failed}")
        lines += [f"  {label}: left out, {why}" for label, why in self.left_out.items()]
        if self.rescoring:
            lines.append(f"  {self.rescoring}")
        if self.missing_pictures:
            first = next(iter(self.missing_pictures.values()))
            lines.append(
                f"  missing pictures, whose questions count as failed and are not asked: "
                f"{len(self.missing_pictures)}, of {len(self.without_picture)} questions; "
                f"the first: {first}"
            )
        return "\n".join(lines)

    def by_model(self) -> tuple[ModelPlan, ...]:
        """Counts the questions of each model."""
        planned = _count(self.models, self.jobs)
        done = _count(self.models, (job for job in self.jobs if job.key in self.stored.generated))
        to_generate = _count(self.models, self.to_generate)
        to_score = _count(self.models, self.to_score)
        return tuple(
            ModelPlan(
                label=model.label,
                planned=planned[place],
                done=done[place],
                failed=planned[place] - done[place] - to_generate[place],
                to_generate=to_generate[place],
                to_score=to_score[place],
            )
            for place, model in enumerate(self.models)
        )


def make_plan(
    spec: SweepSpec,
    dataset: Dataset,
    models: Sequence[PlannedModel],
    jobs: Sequence[Job],
    *,
    missing_pictures: Mapping[str, str],
    stored: StoredResults,
    shard: Shard | None = None,
    retry_failed: bool = False,
    left_out: Mapping[str, str] | None = None,
) -> SweepPlan:
    """Takes what is stored from what is planned.

    Args:
        spec: The sweep spec.
        dataset: The dataset that was read.
        models: The models, in the order of the spec.
        jobs: Every planned job of the shard.
        missing_pictures: For each missing picture, one line saying what was looked for.
        stored: What the output holds.
        shard: The share of the sweep that the jobs are; by default the whole.
        retry_failed: Whether to ask and score again what failed for good.
        left_out: For each model of the spec that is not there, why; by default all are.
    """
    to_generate: list[Job] = []
    to_score: list[Job] = []
    without_picture: list[Job] = []
    for job in jobs:
        if job.key in stored.generated:
            may_score = retry_failed or stored.scoring_failed.get(job.key) != job.reference_digest
            if may_score and not has_scores(job, stored):
                to_score.append(job)
        elif not job.has_picture:
            without_picture.append(job)
        elif retry_failed or job.key not in stored.failed:
            to_generate.append(job)
    return SweepPlan(
        spec=spec,
        shard=shard or Shard(),
        dataset=dataset,
        models=tuple(models),
        jobs=tuple(jobs),
        to_generate=tuple(to_generate),
        to_score=tuple(to_score),
        without_picture=tuple(without_picture),
        missing_pictures=missing_pictures,
        stored=stored,
        retry_failed=retry_failed,
        left_out=left_out or {},
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


def _count(models: Sequence[PlannedModel], jobs: Iterable[Job]) -> list[int]:
    counts = Counter(id(job.model) for job in jobs)
    return [counts[id(model)] for model in models]
