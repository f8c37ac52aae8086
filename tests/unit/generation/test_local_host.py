"""The host of a local stack: what it refuses at once, and what it says when it fails."""

import io
from pathlib import Path

import pytest

from services.core.errors import UserInputError
from services.generation import local_host
from services.generation.catalog import Catalog, ModelSpec, ScalingSpec, SourceSpec
from services.generation.local_config import HostConfig, HostEvent
from services.generation.local_host import LocalHost
from services.generation.turns import check_gpus, let_take_turns


def spec(name: str, num_gpus: float, min_replicas: int = 1) -> ModelSpec:
    return ModelSpec(
        name=name,
        source=SourceSpec(folder="/nowhere"),
        max_model_len=128,
        num_gpus=num_gpus,
        tensor_parallel_size=max(1, int(num_gpus)),
        scaling=ScalingSpec(min_replicas=min_replicas, max_replicas=max(1, min_replicas)),
    )


@pytest.mark.parametrize(
    ("specs", "available", "message"),
    [
        ([spec("x", 1)], 0, "model x needs 1 GPU; this machine has 0"),
        # It may start empty, but could never come up.
        ([spec("x", 1, min_replicas=0)], 0, "model x needs 1 GPU; this machine has 0"),
        ([spec("x", 1, min_replicas=2)], 1, "model x needs 2 GPUs; this machine has 1"),
        (
            [spec("x", 1), spec("y", 0.5)],
            1,
            "the models together need 1.5 GPUs; this machine has 1",
        ),
    ],
)
def test_models_that_no_gpu_is_left_for_are_refused(
    specs: list[ModelSpec], available: float, message: str
) -> None:
    with pytest.raises(UserInputError) as caught:
        check_gpus(specs, available)
    assert caught.value.message == message


def test_models_that_fit_are_taken() -> None:
    check_gpus([spec("x", 0.5), spec("y", 0.5), spec("z", 0)], 1)
    check_gpus([spec("z", 0)], 0)


@pytest.mark.parametrize(
    ("at_a_time", "available", "needs"),
    [
        (1, 2, ""),
        # The two largest: 2 and 1.
        (2, 3, ""),
        (2, 2, "2 of the models at a time, with what is always loaded, may need 3 GPUs"),
        (3, 3, "the models together need 4 GPUs"),
        (None, 3, "the models together need 4 GPUs"),
    ],
)
def test_models_that_take_turns_need_room_for_those_of_one_turn(
    at_a_time: int | None, available: float, needs: str
) -> None:
    specs = [spec("x", 1, min_replicas=0), spec("y", 2, min_replicas=0), spec("z", 1, 0)]
    if not needs:
        check_gpus(specs, available, at_a_time)
        return
    with pytest.raises(UserInputError) as caught:
        check_gpus(specs, available, at_a_time)
    assert caught.value.message == f"{needs}; this machine has {available:g}"


def test_a_model_that_is_always_loaded_leaves_its_gpus_to_nobody() -> None:
    with pytest.raises(UserInputError, match="may need 2 GPUs"):
        check_gpus([spec("kept", 1), spec("x", 1, 0), spec("y", 1, 0)], 1, 1)


def test_models_on_gpus_give_them_back_where_they_take_turns() -> None:
    catalog = Catalog({each.name: each for each in (spec("a", 1), spec("b", 1), spec("cpu", 0))})
    turned = let_take_turns(catalog, 1)
    scalings = {each.name: each.scaling for each in turned}
    for name in ("a", "b"):
        assert (scalings[name].min_replicas, scalings[name].max_replicas) == (0, 1)
        assert scalings[name].downscale_delay_s <= 60
    assert scalings["cpu"].min_replicas == 1
    check_gpus(turned, 1, 1)
    # All may be called at once: nothing has to give way.
    assert let_take_turns(catalog, 3) is catalog


class FailingHost(LocalHost):
    """Fails as soon as it is to start Ray."""

    error: Exception = RuntimeError()

    def _start_ray(self) -> None:
        raise self.error

    def _watch_input(self) -> None:
        """Is told nothing."""


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Takes the place of ending processes; the tests' own are none of the host's."""
    calls: list[float] = []
    monkeypatch.setattr(
        local_host, "end_descendants", lambda *, grace_s: calls.append(grace_s), raising=True
    )
    return calls


def failing_host(tmp_path: Path, error: Exception) -> tuple[FailingHost, io.StringIO]:
    events = io.StringIO()
    config = HostConfig(specs=[spec("x", 0)], settings_values={"port": 1}, temp_folder=tmp_path)
    host = FailingHost(config, events)
    host.error = error
    return host, events


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (RuntimeError("first\n  second"), "RuntimeError: first second"),
        (UserInputError("model x needs 1 GPU"), "model x needs 1 GPU"),
        # "ValueError: " takes 12 of the 500 characters.
        (ValueError("x" * 600), "ValueError: " + "x" * 488),
    ],
)
def test_a_failure_is_told_in_one_line_of_at_most_500_characters(
    tmp_path: Path, ended: list[float], error: Exception, detail: str
) -> None:
    host, events = failing_host(tmp_path, error)
    assert host.run() == 1
    event = HostEvent.model_validate_json(events.getvalue())
    assert event.kind == "failed"
    assert event.detail == detail
    assert ended == [2]


def test_processes_are_ended_even_where_ray_does_not_shut_down(
    tmp_path: Path, ended: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OSError("no shutdown")

    monkeypatch.setattr("ray.shutdown", fail)
    host, _ = failing_host(tmp_path, RuntimeError("lost"))
    with pytest.raises(OSError, match="no shutdown"):
        host.run()
    assert ended == [2]
    assert host._ended.is_set()
