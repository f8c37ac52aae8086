"""Builds a report from the outputs of sweeps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.sweep.report.cells import cells_of, counts_of
from services.sweep.report.evidence import Evidence
from services.sweep.report.gathering import gather_evidence
from services.sweep.report.knowledge.correlations import correlations
from services.sweep.report.knowledge.entities import entity_knowledge
from services.sweep.report.knowledge.lengths import length_curves
from services.sweep.report.knowledge.pace import paces
from services.sweep.report.model import (
    Comparison,
    Gap,
    MetricResult,
    Report,
    Resampling,
    Row,
)
from services.sweep.report.provenance import sweep_info
from services.sweep.report.published import published_rows
from services.sweep.report.references import FoundReferences, find_references
from services.sweep.report.signatures import signatures_of
from services.sweep.report.sources import open_sources
from services.sweep.report.standings import metric_numbers
from services.sweep.report.statistics.resampling import Resampler

Note = Callable[[str], None]
"""Told what is being done, a few words each."""


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What a report is to hold.

    Attributes:
        resamples: How many times artworks are drawn for intervals, and signs for p-values.
        seed: Seed of the draws.
        micro: Whether to report values from summed statistics, too.
        dataset: Folder of the dataset; by default where the sweeps' manifests name it.
        metrics: The metrics; by default all that were computed.
    """

    resamples: int = 10_000
    seed: int = 0
    micro: bool = False
    dataset: Path | None = None
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Material:
    """What a report is made from.

    Attributes:
        evidence: The results.
        found: The dataset, or why it cannot be had.
    """

    evidence: Evidence
    found: FoundReferences


def _unheard(message: str) -> None:
    del message


def read_material(
    outputs: Sequence[str], options: ReportOptions, note: Note = _unheard
) -> Material:
    """Reads the results of sweeps, and the dataset that they are about.

    Args:
        outputs: Folders or URIs of outputs, or of single shards; at least one.
        options: What the report is to hold.
        note: Told what is being done.

    Raises:
        UserInputError: An output is no sweep or cannot be read; datasets or signatures differ; a
            metric is not known or was not computed; or the folder given is not the dataset.
    """
    note("reading the results")
    evidence = gather_evidence(open_sources(outputs), options.metrics)
    note("reading the dataset")
    return Material(evidence, find_references(evidence, options.dataset))


def build_report(
    outputs: Sequence[str], options: ReportOptions | None = None, note: Note = _unheard
) -> Report:
    """Builds a report of sweeps; see :func:`read_material` and :func:`report_of`."""
    options = options or ReportOptions()
    return report_of(read_material(outputs, options, note), options, note)


def report_of(material: Material, options: ReportOptions, note: Note = _unheard) -> Report:
    """Builds a report.

    Args:
        material: What it is made from.
        options: What it is to hold.
        note: Told what is being done.

    Raises:
        UserInputError: The results cannot be read.
    """
    evidence, found = material.evidence, material.found
    rows, comparisons, gaps = _numbers(evidence, options, note)
    note("looking at what the answers know")
    entities = None
    if found.references is not None:
        entities = entity_knowledge(evidence, found.references.questions)
    sweeps = tuple(
        sweep_info(source, found.note if number == 0 else "")
        for number, source in enumerate(evidence.sources)
    )
    return Report(
        title=", ".join(source.name for source in evidence.sources),
        made_at=datetime.now(UTC),
        sweeps=sweeps,
        contenders=evidence.contenders,
        metrics=evidence.metrics,
        signatures=signatures_of(evidence, micro=options.micro),
        rows=rows,
        comparisons=comparisons,
        gaps=gaps,
        published=published_rows(),
        resampling=Resampling(options.resamples, options.seed, len(evidence.artworks)),
        entities=entities,
        correlations=correlations(evidence),
        lengths=length_curves(evidence),
        pace=paces(evidence),
    )


def _numbers(
    evidence: Evidence, options: ReportOptions, note: Note
) -> tuple[tuple[Row, ...], tuple[Comparison, ...], tuple[Gap, ...]]:
    cells = cells_of(evidence)
    note("drawing artworks")
    resampler = Resampler(len(evidence.artworks), options.resamples, options.seed)
    comparisons: list[Comparison] = []
    gaps: list[Gap] = []
    results: list[dict[str, MetricResult]] = [{} for _ in cells]
    for metric in evidence.metrics:
        note(f"resampling {metric}")
        numbers = metric_numbers(evidence, metric, cells, resampler, micro=options.micro)
        comparisons += numbers.comparisons
        gaps += numbers.gaps
        for of_cell, result in zip(results, numbers.results, strict=True):
            if result is not None:
                of_cell[metric] = result
    rows = tuple(
        Row(cell.contender, cell.setting, cell.part, counts_of(evidence, cell.rows), of_cell)
        for cell, of_cell in zip(cells, results, strict=True)
    )
    return rows, tuple(comparisons), tuple(gaps)
