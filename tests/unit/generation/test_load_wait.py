"""How long a front that has started is kept out of a load balancer."""

from services.generation.domain import ModelCondition, ModelState
from services.generation.load_wait import LoadWait

LOADING = ModelCondition(ModelState.LOADING, "a replica is starting")
READY = ModelCondition(ModelState.READY, ready_replica_count=1)
FAILED = ModelCondition(ModelState.FAILED, "out of memory")
ASLEEP = ModelCondition(ModelState.SCALED_TO_ZERO, wakes=True)
WAKING = ModelCondition(ModelState.LOADING, "a replica is starting", wakes=True)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time_s = 100.0

    def __call__(self) -> float:
        return self.time_s


def test_it_lasts_until_the_last_model_is_loaded() -> None:
    wait = LoadWait(60.0, Clock())
    assert not wait.is_over
    assert not wait.ends_with([READY, LOADING])
    assert not wait.is_over
    assert wait.ends_with([READY, READY])
    assert wait.is_over


def test_models_that_failed_or_sleep_by_design_are_not_waited_for() -> None:
    assert LoadWait(60.0, Clock()).ends_with([READY, FAILED, ASLEEP, WAKING])


def test_it_ends_for_good() -> None:
    wait = LoadWait(60.0, Clock())
    assert wait.ends_with([READY])
    assert wait.ends_with([LOADING])


def test_it_ends_in_any_case_when_its_time_has_come() -> None:
    clock = Clock()
    wait = LoadWait(60.0, clock)
    clock.time_s = 159.9
    assert not wait.ends_with([LOADING])
    clock.time_s = 160.0
    assert wait.ends_with([LOADING])


def test_without_a_duration_there_is_none() -> None:
    assert LoadWait(0.0, Clock()).is_over
