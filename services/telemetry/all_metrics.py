"""Every metric of the project, for those who read them: documents, dashboards, alerts, tests."""

from services.telemetry.call_metrics import CallDeclarations
from services.telemetry.declarations import MetricDeclaration, declared
from services.telemetry.generation_metrics import GenerationMetrics
from services.telemetry.scoring_metrics import ScoringMetrics
from services.telemetry.sweep_metrics import SweepMetrics


def generation_metrics() -> tuple[MetricDeclaration, ...]:
    """Lists what a front of the generation service tells."""
    return (*declared(CallDeclarations.of("generation")), *declared(GenerationMetrics))


def scoring_metrics() -> tuple[MetricDeclaration, ...]:
    """Lists what the scoring service tells."""
    return (*declared(CallDeclarations.of("scoring")), *declared(ScoringMetrics))


def sweep_metrics() -> tuple[MetricDeclaration, ...]:
    """Lists what a sweep's driver tells."""
    return declared(SweepMetrics)


def all_metrics() -> tuple[MetricDeclaration, ...]:
    """Lists them all."""
    return (*generation_metrics(), *scoring_metrics(), *sweep_metrics())
