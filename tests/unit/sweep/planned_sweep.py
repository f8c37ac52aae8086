"""The plan of a small sweep: two models, five artworks, each in both settings."""

from pathlib import Path

from services.benchmark.records import Dataset, Question, Setting, Split
from services.sweep.plan.directory import ModelDescription
from services.sweep.plan.jobs import make_jobs
from services.sweep.plan.plan import PlannedModel, SweepPlan, make_plan
from services.sweep.plan.stored import StoredResults
from services.sweep.plan.variants import variants_of
from services.sweep.spec.controls import ShownPictures
from services.sweep.spec.spec import DatasetSpec, SweepSpec

QUESTIONS = tuple(
    Question(
        id=f"{number}",
        question_id=f"{number}",
        artwork=f"work {number}",
        title=f"work {number}",
        section="History",
        setting=setting,
        split=Split.TEST_SEEN,
        instruction="x" * 40,
        reference="Known.",
        entities=(),
        image=f"{number}.png",
    )
    for number in range(5)
    for setting in Setting
)


def plan_of(stored: int = 0, **keys: object) -> SweepPlan:
    declared = {
        "dataset": DatasetSpec(folder=Path("data")),
        "models": ["alpha", "beta"],
        "concurrency": 5,
        "output": "out",
        **keys,
    }
    spec = SweepSpec.model_validate(declared)
    models = [
        PlannedModel(choice, ModelDescription(choice.model, "r", gpu_count=2))
        for choice in spec.models
    ]
    pictures = ShownPictures(QUESTIONS, 0, lambda image: f"sha256:{image}")
    jobs = make_jobs(QUESTIONS, models, variants_of(spec), pictures)
    results = StoredResults(generated=frozenset(job.key for job in jobs[:stored]))
    dataset = Dataset("data", "flat", "sha256:0", QUESTIONS)
    return make_plan(spec, dataset, models, jobs, missing_pictures={}, stored=results)
