"""The dataset of a report's sweeps: what the answers are scored against, and the pictures."""

from dataclasses import dataclass
from pathlib import Path

from services.benchmark.images import PictureStore
from services.benchmark.loader import load_dataset
from services.benchmark.mapping import load_mapping
from services.benchmark.records import Dataset, Question
from services.core.errors import UserInputError
from services.sweep.report.evidence import Evidence
from services.sweep.report.sources import Source


@dataclass(frozen=True, slots=True)
class References:
    """The dataset that the answers are about, the very one by its digest.

    Attributes:
        dataset: The dataset.
        questions: For each of :attr:`Evidence.questions` what the dataset says of it; none where it
            has no such question.
        pictures: The pictures.
    """

    dataset: Dataset
    questions: tuple[Question | None, ...]
    pictures: PictureStore


@dataclass(frozen=True, slots=True)
class FoundReferences:
    """The dataset, or why it cannot be had.

    Attributes:
        references: The dataset; none where it cannot be had.
        note: Why not, a sentence; empty where it is there.
    """

    references: References | None
    note: str = ""


def find_references(evidence: Evidence, folder: Path | None = None) -> FoundReferences:
    """Finds the dataset that the sweeps' manifests name.

    Args:
        evidence: The results.
        folder: Where the dataset is now; by default where it was.

    Raises:
        UserInputError: The folder is given, and does not hold the sweeps' dataset.
    """
    if folder is not None:
        return FoundReferences(_load(evidence, evidence.sources[0], folder))
    problem = ""
    for source in evidence.sources:
        try:
            return FoundReferences(_load(evidence, source, source.spec.dataset.folder))
        except UserInputError as error:
            problem = problem or error.message
    return FoundReferences(
        None,
        f"References, entities and pictures are left out, as the dataset is not at hand: "
        f"{problem}; --dataset names its folder where it has moved.",
    )


def _load(evidence: Evidence, source: Source, folder: Path) -> References:
    spec, manifest = source.spec, source.manifest
    named = spec.dataset.mapping
    mapping = load_mapping(named) if named is not None and named.is_file() else None
    dataset = load_dataset(folder, spec.splits, mapping)
    if (dataset.digest, dataset.mapping) != (manifest.dataset_digest, manifest.mapping):
        raise UserInputError(
            f"{folder}: the dataset is not the one that {source.output} was made with: its digest "
            f"is {dataset.digest} by mapping '{dataset.mapping}' instead of "
            f"{manifest.dataset_digest} by '{manifest.mapping}'"
        )
    by_name = {question.name: question for question in dataset.questions}
    return References(
        dataset=dataset,
        questions=tuple(by_name.get(question.name) for question in evidence.questions),
        pictures=PictureStore(folder, spec.dataset.image_folder),
    )
