"""The row of the plan table for a job."""

from services.sweep.plan.plan import Job
from services.sweep.results.rows import PlanRow


def plan_row(job: Job) -> PlanRow:
    """What the plan table says of a job."""
    question, variant = job.question, job.variant
    part = question.split.part
    return PlanRow(
        key=job.key,
        model=job.model.choice.model,
        adapter=job.model.choice.adapter,
        revision=job.model.description.revision,
        question=question.id,
        question_id=question.question_id,
        artwork=question.artwork,
        title=question.title,
        section=question.section,
        setting=question.setting,
        split=question.split,
        part=part.value if part is not None else None,
        image=job.image or "",
        image_digest=job.image_digest,
        reference_digest=job.reference_digest,
        prompt=variant.prompt.name,
        sampling_name=variant.sampling.name,
        control=variant.control,
        replicate=variant.replicate,
    )
