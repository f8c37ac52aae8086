"""What a front shows Prometheus of how things are at the moment of a scrape."""

from collections.abc import Callable, Iterable

from services.generation.admission import Admission
from services.generation.catalog import ModelSpec
from services.generation.domain import Lane, ModelCondition, ModelState
from services.generation.image_store import ImageStore
from services.generation.image_upload import ImageUploads
from services.generation.replay import Replays
from services.telemetry.declarations import Values
from services.telemetry.generation_metrics import GenerationMetrics
from services.telemetry.instruments import Metrics

# Gives the models of the catalog, and how they are.
ServedModelsNow = Callable[[], Iterable[tuple[ModelSpec, ModelCondition]]]


def watch_queues(metrics: Metrics, admission: Admission) -> None:
    """Shows who has a place at a model's replicas, and who waits for one."""

    def running() -> Values:
        return {(name,): queue.running_count for name, queue in admission.queues().items()}

    def places() -> Values:
        return {(name,): queue.places for name, queue in admission.queues().items()}

    def waiting() -> Values:
        return {
            (name, lane.value): queue.waiting_count(lane)
            for name, queue in admission.queues().items()
            for lane in Lane
        }

    metrics.watch(GenerationMetrics.RUNNING, running)
    metrics.watch(GenerationMetrics.PLACES, places)
    metrics.watch(GenerationMetrics.WAITING, waiting)


def watch_images(metrics: Metrics, store: ImageStore, uploads: ImageUploads) -> None:
    """Shows the pictures that a front holds, and how often they were asked for and sent."""
    metrics.watch(GenerationMetrics.IMAGE_BYTES_IN_FLIGHT, lambda: {(): store.used_bytes})
    metrics.watch(GenerationMetrics.IMAGE_STORE_BYTES, lambda: {(): store.kept_bytes})
    metrics.watch(GenerationMetrics.IMAGE_STORE_IMAGES, lambda: {(): store.kept_count})
    metrics.watch(GenerationMetrics.IMAGE_LOOKUPS, lambda: _by_outcome(store.lookups))
    metrics.watch(GenerationMetrics.IMAGE_UPLOADS, lambda: _by_outcome(uploads.outcomes))


def watch_replays(metrics: Metrics, replays: Replays) -> None:
    """Shows how often named requests came again."""
    metrics.watch(GenerationMetrics.REPLAY_LOOKUPS, lambda: _by_outcome(replays.lookups))


def watch_models(metrics: Metrics, served: ServedModelsNow) -> None:
    """Shows how the models are, and how many replicas they have."""

    def states() -> Values:
        return {
            (spec.name, state.value): float(condition.state is state)
            for spec, condition in served()
            for state in ModelState
        }

    def replicas() -> Values:
        counts: dict[tuple[str, ...], float] = {}
        for spec, condition in served():
            there = condition.ready_replica_count + condition.starting_replica_count
            counts[spec.name, "ready"] = condition.ready_replica_count
            # Serve tells no target, but whatever it wants is there or being started.
            counts[spec.name, "wanted"] = max(there, spec.scaling.min_replicas)
        return counts

    metrics.watch(GenerationMetrics.MODEL_STATE, states)
    metrics.watch(GenerationMetrics.MODEL_REPLICAS, replicas)


def _by_outcome(counts: dict[str, int]) -> Values:
    return {(outcome,): count for outcome, count in counts.items()}
