"""GPU types, and whether a model's replica fits on them."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.core.errors import UserInputError
from services.sweep.spec.key_advice import nearest

# What the catalog counts for each GPU besides weights and KV cache.
GIB_A_GPU = 2.0

# Numbers of GPUs over which models' layers can be divided.
_PARALLEL_SIZES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class GpuType:
    """A type of GPU.

    Attributes:
        name: What it is called.
        memory_gib: Memory that a program finds on it, which is less than the name says.
    """

    name: str
    memory_gib: float


# By memory, which is rounded down from what CUDA reports with error correction on. Older types
# lack bfloat16, which most models of the catalog run in.
GPU_TYPES = (
    GpuType("A10G", 22),
    GpuType("L4", 22),
    GpuType("A100-40", 39),
    GpuType("L40S", 44),
    GpuType("A100-80", 79),
    GpuType("H100", 79),
    GpuType("H200", 139),
    GpuType("B200", 178),
)


@dataclass(frozen=True, slots=True)
class ReplicaMemory:
    """What a replica holds.

    Attributes:
        gpus: GPUs, in all; a part of one where it shares it, 0 on a CPU.
        memory_gib: Memory that it needs at least, of all its GPUs together; None where the catalog
            does not say.
        gpu_share: Part of each GPU's memory that its engine takes.
    """

    gpus: float
    memory_gib: float | None
    gpu_share: float = 1.0

    def fits(self, gpu: GpuType) -> bool | None:
        """Whether it fits on GPUs of a type; None where that is not known, or it needs none."""
        if not self.gpus or self.memory_gib is None:
            return None
        return self.memory_gib <= self.given_gib(gpu)

    def given_gib(self, gpu: GpuType) -> float:
        """Memory that it gets of all its GPUs together, if they are of a type."""
        # A replica that shares a GPU has the part that it asks Ray for, or that its engine takes.
        given = min(self.gpus, self.gpu_share) if self.gpus < 1 else self.gpus * self.gpu_share
        return given * gpu.memory_gib

    def gpus_needed(self, gpu: GpuType) -> int | None:
        """GPUs of a type over which it would have to be split: 1, 2, 4 or 8.

        None where 8 are too few, or where it needs none or its memory is not known.
        """
        if not self.gpus or self.memory_gib is None:
            return None
        divided_gib = self.memory_gib - GIB_A_GPU * max(1.0, self.gpus)
        for count in _PARALLEL_SIZES:
            if divided_gib + GIB_A_GPU * count <= count * gpu.memory_gib * self.gpu_share:
                return count
        return None


def choose_gpus(named: Iterable[str]) -> tuple[GpuType, ...]:
    """Finds GPU types by their names; ``NAME=GIB`` describes another one.

    Args:
        named: The names; none for all that are known.

    Raises:
        UserInputError: A name is not known, or a memory is no number above 0.
    """
    found = tuple(map(_choose, named))
    return found or GPU_TYPES


def _choose(named: str) -> GpuType:
    name, has_memory, memory = named.partition("=")
    if has_memory:
        if not name:
            raise UserInputError(f"--gpu {named}: must be NAME=GIB")
        return GpuType(name, _gib(named, memory))
    known = {gpu.name: gpu for gpu in GPU_TYPES}
    if name not in known:
        others = f"; known are {', '.join(known)}, and NAME=GIB describes another"
        raise UserInputError(f"--gpu {named}: is no known type{nearest(name, [*known]) or others}")
    return known[name]


def _gib(named: str, memory: str) -> float:
    try:
        gib = float(memory)
    except ValueError:
        gib = 0.0
    if not 0 < gib < float("inf"):
        raise UserInputError(f"--gpu {named}: its memory in GiB must be a number above 0")
    return gib
