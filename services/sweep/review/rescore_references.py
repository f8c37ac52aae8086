"""Brings stored plans up to date with the dataset's references."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.benchmark.loader import load_dataset
from services.benchmark.mapping import load_mapping
from services.benchmark.records import Dataset, Question
from services.core.errors import UserInputError
from services.sweep.results.keys import PLAN_DIGEST_COLUMNS, plan_digest, reference_digest
from services.sweep.results.manifest import note_replacing, read_manifest, write_manifest
from services.sweep.results.output_lock import hold_shard
from services.sweep.results.rows import PlanRow, Table
from services.sweep.results.store import ResultStore
from services.sweep.results.stored_columns import combined
from services.sweep.results.stored_plan import StoredPlan
from services.sweep.results.tables import ResultTables
from services.sweep.spec.sharding import Shard
from services.sweep.spec.spec import SweepSpec


@dataclass(frozen=True, slots=True)
class References:
    """The references as the dataset has them now.

    Attributes:
        dataset: The dataset.
        questions: The dataset's questions by their names.
        digests: Name of each question's reference, for those that are planned.
        changed: For how many of these it is not the planned one.
        missing: Names of the planned questions that the dataset has no more.
    """

    dataset: Dataset
    questions: Mapping[str, Question]
    digests: Mapping[str, str]
    changed: int
    missing: tuple[str, ...]


def read_references(spec: SweepSpec, plan: StoredPlan) -> References:
    """Reads the references of the planned questions from the dataset that the spec names.

    Raises:
        UserInputError: The dataset cannot be read, or has not one of the planned questions.
    """
    mapping = load_mapping(spec.dataset.mapping) if spec.dataset.mapping is not None else None
    dataset = load_dataset(spec.dataset.folder, spec.splits, mapping)
    questions = {question.name: question for question in dataset.questions}
    digests: dict[str, str] = {}
    missing: list[str] = []
    changed = 0
    for name, planned in _planned_references(plan).items():
        question = questions.get(name)
        if question is None:
            missing.append(name)
            continue
        digests[name] = reference_digest(question.reference, question.entities)
        changed += digests[name] != planned
    if not digests:
        raise UserInputError(
            f"{spec.dataset.folder}: the dataset has not one of the questions that were asked"
        )
    return References(dataset, questions, digests, changed, tuple(missing))


def update_plans(store: ResultStore, plan: StoredPlan, references: References) -> None:
    """Notes the present references in the plans of the present shards.

    Raises:
        UserInputError: A shard cannot be written, or a driver is writing there.
    """
    for label in plan.shard_names:
        shard = Shard.parse(label)
        with hold_shard(store, shard) as tables:
            rows = _updated(tables, references.digests)
            manifest = read_manifest(tables.folder)
            if manifest is not None:
                note_replacing(manifest, tables)
            tables.replace_plan(rows)
            if manifest is not None:
                manifest.plan_digest = _digest(rows)
                manifest.questions = len(rows)
                manifest.dataset_digest = references.dataset.digest
                write_manifest(manifest, tables)


def _planned_references(plan: StoredPlan) -> dict[str, str]:
    """The planned reference of each question, by the question's name."""
    columns = [plan.columns[name] for name in ("split", "question", "setting")]
    places = {number: place for place, number in enumerate(combined(columns).tolist())}
    return {
        plan.question_name(place): plan.text("reference_digest", place) for place in places.values()
    }


def _updated(tables: ResultTables, digests: Mapping[str, str]) -> list[PlanRow]:
    texts: dict[str, str] = {}  # the same few again and again
    rows = []
    for batch in tables.batches(Table.PLAN, list(PlanRow.__dataclass_fields__)):
        for values in batch.to_pylist():
            for name, value in values.items():
                if isinstance(value, str):
                    values[name] = texts.setdefault(value, value)
            row = PlanRow(**values)
            question = f"{row.split}/{row.question}/{row.setting}"
            digest = digests.get(question, row.reference_digest)
            rows.append(replace(row, reference_digest=digest))
    return rows


def _digest(rows: list[PlanRow]) -> str:
    """As :attr:`services.sweep.plan.plan.SweepPlan.digest` names a plan."""
    return plan_digest(tuple(getattr(row, name) for name in PLAN_DIGEST_COLUMNS) for row in rows)
