"""Counts a plan's questions by everything that a table of results tells apart."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from services.sweep.plan.plan import Job, SweepPlan


class CellName(NamedTuple):
    """What the questions of a cell have in common; replicates are counted together."""

    model: str
    setting: str
    part: str
    control: str
    prompt: str
    sampling: str


@dataclass(frozen=True, slots=True)
class PlanCell:
    """How far the questions of one cell are.

    Attributes:
        name: What they have in common.
        planned: Questions in all.
        done: Answered already.
        failed: Failed for good, or without a picture.
        to_ask: Still to be asked.
        to_score: Answered, but not scored.
    """

    name: CellName
    planned: int
    done: int
    failed: int
    to_ask: int
    to_score: int


def cells_of(plan: SweepPlan) -> tuple[PlanCell, ...]:
    """The cells of a plan, sorted field by field in the order in which they first occur."""
    planned = _count(plan.jobs)
    done = _count(job for job in plan.jobs if job.key in plan.stored.generated)
    to_ask = _count(plan.to_generate)
    to_score = _count(plan.to_score)
    return tuple(
        PlanCell(
            name=name,
            planned=count,
            done=done[name],
            failed=count - done[name] - to_ask[name],
            to_ask=to_ask[name],
            to_score=to_score[name],
        )
        for name, count in sorted(planned.items(), key=_order(planned))
    )


def _order(names: Iterable[CellName]) -> Callable[[tuple[CellName, int]], list[int]]:
    fields = [list(dict.fromkeys(values)) for values in zip(*names, strict=True)]
    return lambda item: [known.index(value) for known, value in zip(fields, item[0], strict=True)]


def _count(jobs: Iterable[Job]) -> Counter[CellName]:
    # Hundreds of thousands of jobs share few models and ways of asking: one of each kind is named.
    counts: Counter[tuple[int, int, str, str]] = Counter()
    examples: dict[tuple[int, int, str, str], Job] = {}
    for job in jobs:
        kind = (id(job.model), id(job.variant), job.question.split, job.question.setting)
        counts[kind] += 1
        examples.setdefault(kind, job)
    cells: Counter[CellName] = Counter()
    for shared, count in counts.items():
        cells[_name(examples[shared])] += count
    return cells


def _name(job: Job) -> CellName:
    question, variant = job.question, job.variant
    return CellName(
        model=job.model.label,
        setting=question.setting,
        part=question.split.part or question.split,
        control=variant.control,
        prompt=variant.prompt.name,
        sampling=variant.sampling.name,
    )
