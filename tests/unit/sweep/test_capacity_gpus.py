"""Whether replicas fit on GPU types."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.core.errors import UserInputError
from services.sweep.capacity.gpus import GPU_TYPES, GpuType, ReplicaMemory, choose_gpus


def fitting(memory: ReplicaMemory) -> list[str]:
    return [gpu.name for gpu in GPU_TYPES if memory.fits(gpu)]


def test_an_engine_has_its_part_of_the_memory_alone() -> None:
    # 0.9 x 44 GiB of an L40S are 39.6.
    assert fitting(ReplicaMemory(1, 40, 0.9)) == ["A100-80", "H100", "H200", "B200"]
    assert "L40S" in fitting(ReplicaMemory(1, 40, 1.0))


def test_the_gpus_of_a_replica_count_together() -> None:
    # 2 x 0.9 x 44 GiB are 79.2, and two A100 of 40 GB offer 70.2.
    assert fitting(ReplicaMemory(2, 73, 0.9))[0] == "L40S"


def test_a_part_of_a_gpu_has_a_part_of_its_memory() -> None:
    # Half of 22 GiB.
    assert fitting(ReplicaMemory(0.5, 11, 1.0))[:2] == ["A10G", "L4"]
    assert fitting(ReplicaMemory(0.5, 11.5, 1.0))[0] == "A100-40"
    # An engine's part is one of the whole GPU: 0.45 x 22 GiB are 9.9.
    assert fitting(ReplicaMemory(0.5, 9.9, 0.45))[0] == "A10G"
    assert fitting(ReplicaMemory(0.5, 10, 0.45))[0] == "A100-40"


def test_what_needs_no_gpu_or_says_nothing_of_its_memory_is_not_judged() -> None:
    for memory in (ReplicaMemory(0, 8), ReplicaMemory(1, None)):
        assert [memory.fits(gpu) for gpu in GPU_TYPES] == [None] * len(GPU_TYPES)
        assert memory.gpus_needed(GPU_TYPES[0]) is None


@pytest.mark.parametrize(
    ("gpu", "count"),
    [
        # 73 GiB on two GPUs are 69 and 2 for each. 4 x 0.9 x 22 = 79.2 hold 77, 2 do not hold 73.
        ("L4", 4),
        ("T4=14.5", 8),  # 8 x 0.9 x 14.5 = 104.4 hold 85; 4 do not hold 77
        ("A100-80", 1),  # 0.9 x 79 = 71.1 hold 71
    ],
)
def test_a_replica_can_be_split_over_as_many_as_hold_it(gpu: str, count: int) -> None:
    (found,) = choose_gpus([gpu])
    assert ReplicaMemory(2, 73, 0.9).gpus_needed(found) == count


def test_some_replicas_are_too_large_for_eight() -> None:
    assert ReplicaMemory(4, 800, 0.9).gpus_needed(GpuType("small", 24)) is None


@given(st.floats(1, 2000), st.floats(4, 300), st.floats(0.5, 1))
def test_what_fits_on_a_gpu_needs_no_more_than_one(
    memory_gib: float, gpu_gib: float, share: float
) -> None:
    memory, gpu = ReplicaMemory(1, memory_gib, share), GpuType("any", gpu_gib)
    assert memory.fits(gpu) == (memory.gpus_needed(gpu) == 1)


def test_types_are_chosen_by_name_or_described() -> None:
    assert choose_gpus([]) == GPU_TYPES
    assert choose_gpus(["H100", "Mine=31.5"]) == (GpuType("H100", 79), GpuType("Mine", 31.5))
    assert list(GPU_TYPES) == sorted(GPU_TYPES, key=lambda gpu: gpu.memory_gib)


@pytest.mark.parametrize(
    ("named", "complaint"),
    [
        ("H10", "--gpu H10: is no known type; did you mean 'H100'?"),
        ("xyz", "known are A10G, L4"),
        ("=24", "--gpu =24: must be NAME=GIB"),
        ("Mine=0", "--gpu Mine=0: its memory in GiB must be a number above 0"),
        ("Mine=inf", "must be a number above 0"),
        ("Mine=much", "must be a number above 0"),
    ],
)
def test_what_is_no_type_is_refused(named: str, complaint: str) -> None:
    with pytest.raises(UserInputError) as refused:
        choose_gpus([named])
    assert complaint in refused.value.message
