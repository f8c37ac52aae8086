"""Plans a sweep: reads spec, dataset, pictures and stored results, and asks nothing of anyone."""

from collections.abc import Sequence

from services.benchmark.images import PictureMissingError, PictureStore
from services.benchmark.loader import load_dataset
from services.benchmark.mapping import load_mapping
from services.benchmark.records import Question
from services.core.errors import UserInputError
from services.sweep.directory import ModelDirectory
from services.sweep.plan import PlannedModel, SweepPlan, make_jobs, make_plan, select_questions
from services.sweep.spec import ModelChoice, SweepSpec
from services.sweep.tables import ResultTables, read_stored


def plan_sweep(spec: SweepSpec, directory: ModelDirectory) -> SweepPlan:
    """Says what a sweep would do now. Starts nothing and writes nothing.

    Args:
        spec: The sweep spec.
        directory: Knows the models and their revisions.

    Raises:
        UserInputError: Dataset, mapping, a model's name or the stored results are not in order;
            no question is left by the spec; or not one picture can be found.
    """
    mapping = load_mapping(spec.dataset.mapping) if spec.dataset.mapping is not None else None
    models = [_describe(choice, directory) for choice in spec.models]
    dataset = load_dataset(spec.dataset.folder, spec.splits, mapping)
    questions = select_questions(dataset.questions, spec)
    if not questions:
        settings = ", ".join(spec.settings)
        raise UserInputError(f"{spec.path}: the dataset has no question in settings {settings}")
    digests, missing = _picture_digests(questions, picture_store(spec))
    if not digests:
        first = next(iter(missing.values()))
        raise UserInputError(f"{spec.path}: not one picture can be found; the first: {first}")
    jobs = make_jobs(questions, models, spec, digests)
    stored = read_stored(ResultTables(spec.output))
    return make_plan(spec, dataset, models, jobs, missing_pictures=missing, stored=stored)


def plan_again(plan: SweepPlan) -> SweepPlan:
    """Takes what is stored by now from the same questions; the dataset is not read again.

    Raises:
        UserInputError: The stored results cannot be read.
    """
    return make_plan(
        plan.spec,
        plan.dataset,
        plan.models,
        plan.jobs,
        missing_pictures=plan.missing_pictures,
        stored=read_stored(ResultTables(plan.spec.output)),
    )


def picture_store(spec: SweepSpec) -> PictureStore:
    """Opens the pictures of a sweep's dataset."""
    return PictureStore(spec.dataset.folder, spec.dataset.image_folder)


def _describe(choice: ModelChoice, directory: ModelDirectory) -> PlannedModel:
    description = directory.describe(choice.model)
    if choice.adapter and choice.adapter not in description.adapters:
        known = ", ".join(description.adapters) or "none"
        raise UserInputError(
            f"model '{choice.model}' has no adapter '{choice.adapter}'; it has {known}"
        )
    return PlannedModel(choice, description)


def _picture_digests(
    questions: Sequence[Question], pictures: PictureStore
) -> tuple[dict[str, str], dict[str, str]]:
    """Digests of the pictures that were found, and the reasons why others were not."""
    digests: dict[str, str] = {}
    missing: dict[str, str] = {}
    for image in dict.fromkeys(question.image for question in questions):
        try:
            digests[image] = pictures.digest(image)
        except PictureMissingError as error:
            missing[image] = str(error)
    return digests, missing
