"""What the capacity of a sweep is computed from, besides its plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.sweep.capacity.gpus import GIB_A_GPU, GPU_TYPES, GpuType, ReplicaMemory
from services.sweep.capacity.measured import EarlierSweep

# Contexts whose cache the catalog's memory_gib holds.
_CONTEXTS = 4


@dataclass(frozen=True, slots=True)
class ModelNeeds:
    """What the catalog says of a model.

    Attributes:
        memory: What a replica holds.
        places: Questions of a sweep that a replica works on at the same time.
        max_replicas: Most replicas that the catalog allows.
        runs_elsewhere: Whether somebody else runs it, behind an endpoint.
        weights_gib: Size of its weights; None where the catalog does not say.
        context: Most tokens of a question and its answer; None where it does not matter.
        idle_s: How long its GPUs are held after its last question.
    """

    memory: ReplicaMemory
    places: int
    max_replicas: int = 1
    runs_elsewhere: bool = False
    weights_gib: float | None = None
    context: int | None = None
    idle_s: float = 0.0

    def cached_questions(self, gpu: GpuType, tokens: float) -> int | None:
        """Questions for which there is room beside the weights, on GPUs of a type.

        None where that is not known, or it needs no GPU.

        Args:
            gpu: The type.
            tokens: Tokens of a question and its answer.
        """
        memory = self.memory
        memory_gib, weights_gib, context = memory.memory_gib, self.weights_gib, self.context
        if not memory.gpus or memory_gib is None or weights_gib is None or context is None:
            return None
        besides_gib = weights_gib + GIB_A_GPU * max(1.0, memory.gpus)
        # The catalog's estimate is of four contexts, and rounded up.
        context_gib = (memory_gib - besides_gib) / _CONTEXTS
        if context_gib <= 0:
            return None
        room_gib = max(0.0, memory.given_gib(gpu) - besides_gib)
        return int(room_gib / context_gib * context / tokens)


@dataclass(frozen=True, slots=True)
class FrontLimits:
    """What one generation front lets in.

    Attributes:
        calls_per_client: Most calls in flight of one client, as all drivers with one token are.
    """

    calls_per_client: int


@dataclass(frozen=True, slots=True)
class Wish:
    """What is wanted: an end after so many hours, or so many replicas.

    Attributes:
        hours: How long it may take, loading the models included; None: as long as it takes.
        replicas: Replicas by label; a model that is not named has what the catalog allows.
            Without hours only.
        drivers: Drivers; None for as many as are needed.
    """

    hours: float | None = None
    replicas: Mapping[str, int] = field(default_factory=dict)
    drivers: int | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of paces and sizes; where something is None, it is measured or assumed.

    Attributes:
        earlier: An earlier sweep's results.
        earlier_replicas: Replicas that each model had then.
        earlier_scoring_pods: Scoring pods that there were then.
        questions_per_s: Answers a second of each replica.
        image_tokens: Tokens of a picture.
        output_tokens: Tokens of an answer.
        scored_per_s: Answers scored a second by a pod.
        load_s: Seconds that loading a model takes, whatever its size.
        scoring_workers: Worker processes of a scoring pod.
        gpus: GPU types that there are.
    """

    earlier: EarlierSweep | None = None
    earlier_replicas: int = 1
    earlier_scoring_pods: int = 1
    questions_per_s: float | None = None
    image_tokens: float | None = None
    output_tokens: float | None = None
    scored_per_s: float | None = None
    load_s: float | None = None
    scoring_workers: int = 2
    gpus: tuple[GpuType, ...] = GPU_TYPES
