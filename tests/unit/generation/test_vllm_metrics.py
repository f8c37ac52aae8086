"""Who takes vLLM's statistics, inside of Ray Serve and elsewhere."""

import warnings
from importlib import import_module
from types import ModuleType

import pytest
from ray.serve.exceptions import RayServeException

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def metrics() -> ModuleType:
    # Imported here and not above: collecting tests must not wait for vLLM.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module("services.generation.engines.vllm_metrics")


def test_without_ray_vllm_keeps_its_statistics_to_itself(metrics: ModuleType) -> None:
    assert metrics.stat_loggers() == []


def test_beside_a_ray_that_is_not_serving_it_does_so_too(
    metrics: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_replica() -> object:
        raise RayServeException("this is no replica")

    monkeypatch.setattr(metrics.ray, "is_initialized", lambda: True)
    monkeypatch.setattr(metrics.serve, "get_replica_context", no_replica)
    assert metrics.stat_loggers() == []


def test_in_a_replica_they_are_ray_s(metrics: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics.ray, "is_initialized", lambda: True)
    monkeypatch.setattr(metrics.serve, "get_replica_context", object)
    (taker,) = metrics.stat_loggers()
    assert taker.__name__ == "RayPrometheusStatLogger"
