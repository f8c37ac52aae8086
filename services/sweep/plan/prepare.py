"""Plans a sweep: reads spec, dataset, pictures and stored results, and asks nothing of anyone."""

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from services.benchmark.images import PictureMissingError, PictureStore
from services.benchmark.loader import load_dataset
from services.benchmark.mapping import load_mapping
from services.core.errors import UserInputError
from services.sweep.plan.directory import ModelDirectory, ModelNotThereError
from services.sweep.plan.jobs import make_jobs
from services.sweep.plan.plan import Job, PlannedModel, SweepPlan, make_plan
from services.sweep.plan.reading import read_stored
from services.sweep.plan.stored import StoredResults
from services.sweep.plan.variants import variants_of
from services.sweep.results.manifest import read_manifests
from services.sweep.results.scorings import other_scorings
from services.sweep.results.store import ResultStore
from services.sweep.results.tables import ResultTables
from services.sweep.spec.controls import Control, ShownPictures
from services.sweep.spec.filters import select_questions
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import ModelChoice, SweepSpec


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """Keeps Python from looking for garbage: a plan is hundreds of thousands of objects, none is.

    Looking through all of them again and again takes a fifth of the time of planning.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@_nothing_to_collect()
def plan_sweep(
    spec: SweepSpec,
    directory: ModelDirectory,
    shard: Shard | None = None,
    *,
    retry_failed: bool = False,
) -> SweepPlan:
    """Says what a sweep would do now. Starts nothing and writes nothing.

    Questions to a model that is not there, and of which it is therefore not known what it runs,
    are left out as long as there is another model.

    Args:
        spec: The sweep spec.
        directory: Knows the models and their revisions.
        shard: The share of the sweep to plan; by default the whole.
        retry_failed: Whether to ask and score again what failed for good.

    Raises:
        UserInputError: Dataset, mapping, a model's name or the stored results are not in order;
            no model is there; no question is left by the spec; or not one picture can be found.
    """
    shard = shard or Shard()
    mapping = load_mapping(spec.dataset.mapping) if spec.dataset.mapping is not None else None
    models, left_out = _describe_all(spec.models, directory)
    dataset = load_dataset(spec.dataset.folder, spec.splits, mapping)
    of_all_shards = select_questions(dataset.questions, spec)
    if not of_all_shards:
        raise UserInputError(
            f"{spec.path}: the dataset has no question in settings {', '.join(spec.settings)} "
            "that passes the filters"
        )
    # A shard may well be empty: with few artworks there is not always one for each.
    questions = select_questions(dataset.questions, spec, shard)
    digests = _PictureDigests(picture_store(spec))
    pictures = ShownPictures(dataset.questions, spec.seed, digests)
    if spec.controls != (Control.NO_IMAGE,):
        # Of the whole sweep: a shard may well have none, as the links of its few artworks are dead.
        digests.require_one(dict.fromkeys(question.image for question in of_all_shards), spec)
    jobs = make_jobs(questions, models, variants_of(spec), pictures)
    own = {question.image for question in questions}
    return make_plan(
        spec,
        dataset,
        models,
        jobs,
        missing_pictures={image: why for image, why in digests.missing.items() if image in own},
        stored=_stored(spec, jobs),
        shard=shard,
        retry_failed=retry_failed,
        left_out=left_out,
    )


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
        stored=_stored(plan.spec, plan.jobs),
        shard=plan.shard,
        retry_failed=plan.retry_failed,
        left_out=plan.left_out,
    )


def picture_store(spec: SweepSpec) -> PictureStore:
    """Opens the pictures of a sweep's dataset."""
    return PictureStore(spec.dataset.folder, spec.dataset.image_folder)


def stored_tables(spec: SweepSpec) -> list[ResultTables]:
    """Opens the tables of every shard of a sweep's output.

    Raises:
        UserInputError: The output cannot be read.
    """
    store = ResultStore(spec.output)
    return [store.tables(shard) for shard in store.shards()]


def _stored(spec: SweepSpec, jobs: Sequence[Job]) -> StoredResults:
    scorings = (one for found in read_manifests(ResultStore(spec.output)) for one in found.scorings)
    stored = read_stored(stored_tables(spec), (job.key for job in jobs))
    return replace(stored, other_scorings=other_scorings(scorings, spec))


def _describe_all(
    choices: Sequence[ModelChoice], directory: ModelDirectory
) -> tuple[list[PlannedModel], Mapping[str, str]]:
    """Describes the models that are there, and says of each of the others why it is not."""
    models: list[PlannedModel] = []
    left_out: dict[str, str] = {}
    for choice in choices:
        try:
            models.append(_describe(choice, directory))
        except ModelNotThereError as error:
            left_out[choice.label] = error.message
    if not models:
        raise UserInputError(next(iter(left_out.values())))
    return models, left_out


def _describe(choice: ModelChoice, directory: ModelDirectory) -> PlannedModel:
    description = directory.describe(choice.model)
    if choice.adapter and choice.adapter not in description.adapters:
        known = ", ".join(description.adapters) or "none"
        raise UserInputError(
            f"model '{choice.model}' has no adapter '{choice.adapter}'; it has {known}"
        )
    planned = PlannedModel(choice, description)
    if choice.adapter and not planned.adapter_revision:
        raise UserInputError(
            f"the revision of adapter '{choice.adapter}' of model '{choice.model}' is not known: "
            "try again when the model is loaded, or where its files are"
        )
    return planned


class _PictureDigests:
    """Digests of pictures, each read once, and the reasons why others could not be had.

    Args:
        pictures: Where the pictures are.
    """

    def __init__(self, pictures: PictureStore) -> None:
        self._pictures = pictures
        self._digests: dict[str, str | None] = {}
        self.missing: dict[str, str] = {}

    def __call__(self, image: str) -> str | None:
        """Digest of a picture; None if it is missing."""
        if image not in self._digests:
            try:
                self._digests[image] = self._pictures.digest(image)
            except PictureMissingError as error:
                self._digests[image] = None
                self.missing[image] = str(error)
        return self._digests[image]

    def require_one(self, images: Iterable[str], spec: SweepSpec) -> None:
        """Refuses a sweep all of whose pictures are missing: their folder must be another one.

        Raises:
            UserInputError: Not one of the pictures is there.
        """
        if not any(self(image) is not None for image in images):
            first = next(iter(self.missing.values()))
            raise UserInputError(f"{spec.path}: not one picture can be found; the first: {first}")
