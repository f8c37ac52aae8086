"""What ``expart sweep plan`` says: for people as tables, for programs as JSON."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from services.benchmark.images import PictureMissingError, PictureStore
from services.sweep.plan import estimate as assumed
from services.sweep.plan.cells import PlanCell, cells_of
from services.sweep.plan.estimate import GivenRates, SweepEstimate, estimate
from services.sweep.plan.plan import SweepPlan
from services.sweep.plan.prepare import picture_store, stored_tables
from services.sweep.plan.rates import measure_rates
from services.sweep.plan.variants import variants_of
from services.sweep.spec.controls import Control

FORMAT = "expart-sweep-plan/1"

_Json = str | int | float | bool | None | Sequence["_Json"] | Mapping[str, "_Json"]


@dataclass(frozen=True, slots=True)
class PlannedPictures:
    """The pictures that a plan shows.

    Attributes:
        found: How many there are, each counted once.
        bytes: How large they are together.
        missing: For each missing one, what was looked for.
        reasons: How many are missing for which reason.
        questions_without: Questions that are not asked for want of their picture.
    """

    found: int
    bytes: int
    missing: Mapping[str, str]
    reasons: Mapping[str, int]
    questions_without: int


@dataclass(frozen=True, slots=True)
class PlanReport:
    """A plan, counted and estimated.

    Attributes:
        plan: The plan.
        cells: Its questions by model, setting, part, control, prompt and sampling.
        pictures: The pictures that it shows.
        estimate: What is left to do will take.
    """

    plan: SweepPlan
    cells: tuple[PlanCell, ...]
    pictures: PlannedPictures
    estimate: SweepEstimate

    def notes(self) -> list[str]:
        """What a reader should know besides the numbers, a sentence each."""
        plan, notes = self.plan, []
        greedy = [
            v for v in variants_of(plan.spec) if v.replicate and v.sampling.parameters.is_greedy
        ]
        if greedy:
            names = ", ".join(dict.fromkeys(variant.sampling.name for variant in greedy))
            notes.append(
                f"sampling {names} is greedy: its replicates differ only as far as the engine does"
            )
        seeing = [model.label for model in plan.models if model.description.requires_image]
        if seeing and Control.NO_IMAGE in plan.spec.controls:
            notes.append(
                f"questions without a picture are refused by {', '.join(seeing)}: control no_image "
                "can only fail there; ask such models by a spec without it"
            )
        notes += [f"{label} is left out: {why}" for label, why in plan.left_out.items()]
        if plan.rescoring:
            notes.append(plan.rescoring)
        if self.pictures.missing:
            first = next(iter(self.pictures.missing.values()))
            reasons = ", ".join(f"{n} {reason}" for reason, n in self.pictures.reasons.items())
            notes.append(
                f"{len(self.pictures.missing)} pictures are missing ({reasons}): "
                f"{self.pictures.questions_without:,} questions count as failed and are not asked; "
                f"the first: {first}"
            )
        if not plan.has_work:
            notes.append("nothing is left to do: running the sweep asks for nothing")
        return notes


def report_on(plan: SweepPlan, given: GivenRates | None = None) -> PlanReport:
    """Counts and estimates a plan.

    Args:
        plan: The plan.
        given: What the caller knows of the models' rates.

    Raises:
        UserInputError: The stored results cannot be read.
    """
    measured = measure_rates(stored_tables(plan.spec)) if plan.to_generate else {}
    return PlanReport(
        plan=plan,
        cells=cells_of(plan),
        pictures=_pictures(plan, picture_store(plan.spec)),
        estimate=estimate(plan, measured, given or GivenRates()),
    )


def assumptions() -> str:
    """What estimates assume where nothing was given or measured, in one sentence."""
    return (
        f"assumed where nothing is given or measured: {assumed.CHARS_PER_TOKEN} characters a "
        f"token and {assumed.TEMPLATE_TOKENS} tokens of chat template, {assumed.IMAGE_TOKENS} "
        f"tokens a picture, {assumed.OUTPUT_TOKENS} tokens an answer or the sampling's max_tokens, "
        f"{assumed.TOKENS_PER_S} tokens/s of each question in flight; models do not slow each "
        "other down, one replica each, and scoring runs beside"
    )


def as_json(report: PlanReport) -> str:
    """Gives a report as one JSON document."""
    plan, spec, expected = report.plan, report.plan.spec, report.estimate
    document: dict[str, _Json] = {
        "format": FORMAT,
        "name": spec.name,
        "spec": str(spec.path),
        "output": spec.output,
        "shard": asdict(plan.shard),
        "dataset": {
            "folder": plan.dataset.folder,
            "digest": plan.dataset.digest,
            "mapping": plan.dataset.mapping,
        },
        "plan_digest": plan.digest,
        "has_work": plan.has_work,
        "left_out": dict(plan.left_out),
        "questions": _totals(report.cells),
        "cells": [{**cell.name._asdict(), **_counts(cell)} for cell in report.cells],
        "pictures": {
            "found": report.pictures.found,
            "bytes": report.pictures.bytes,
            "missing": dict(report.pictures.missing),
            "missing_by_reason": dict(report.pictures.reasons),
            "questions_without_picture": report.pictures.questions_without,
        },
        "estimate": {
            "input_tokens": expected.input_tokens,
            "output_tokens": expected.output_tokens,
            "seconds": expected.seconds,
            "cost": expected.cost,
            "currency": spec.prices.currency,
            "assumptions": assumptions(),
            "models": [asdict(model) for model in expected.models],
        },
        "notes": report.notes(),
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _counts(cell: PlanCell) -> dict[str, int]:
    names = ("planned", "done", "failed", "to_ask", "to_score")
    return {name: getattr(cell, name) for name in names}


def _totals(cells: Sequence[PlanCell]) -> dict[str, int]:
    totals: Counter[str] = Counter(planned=0, done=0, failed=0, to_ask=0, to_score=0)
    for cell in cells:
        totals.update(_counts(cell))
    return dict(totals)


def _pictures(plan: SweepPlan, store: PictureStore) -> PlannedPictures:
    shown = {job.image for job in plan.jobs if job.image is not None and job.has_picture}
    size = 0
    for image in shown:
        try:
            size += store.find(image).stat().st_size
        except (PictureMissingError, OSError):
            continue  # it went away after the plan was made; a run says so
    reasons = Counter(map(store.reason_missing, plan.missing_pictures))
    return PlannedPictures(
        len(shown), size, plan.missing_pictures, reasons, len(plan.without_picture)
    )
