"""The host of a local stack: what it refuses at once, and what it says when it fails."""

import io
from pathlib import Path

import pytest

from services.core.errors import UserInputError
from services.generation import local_host
from services.generation.catalog import ModelSpec, ScalingSpec, SourceSpec
from services.generation.local_config import HostConfig, HostEvent
from services.generation.local_host import LocalHost, check_gpus


def spec(name: str, num_gpus: float, min_replicas: int = 1) -> ModelSpec:
    return ModelSpec(
        name=name,
        source=SourceSpec(folder="/nowhere"),
        max_model_len=128,
        num_gpus=num_gpus,
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
