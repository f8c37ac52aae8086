"""A replica's end, as Serve brings it about."""

import pytest
from structlog.testing import capture_logs

from services.generation import replica
from services.generation.engine_watch import GenerationLimits
from services.generation.replica import ModelReplica
from services.generation.settings import GenerationSettings
from tests.unit.generation.builders import scripted_spec

LIMITS: GenerationLimits = GenerationSettings().generation_limits


@pytest.fixture(autouse=True)
def _within_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replica, "configure_logging", lambda **_: None)
    monkeypatch.setattr(replica, "use_own_standard_streams", lambda: None)


async def test_a_replica_whose_engine_cannot_be_made_ends_with_that_error_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_: object) -> None:
        raise ModuleNotFoundError("No module named 'vllm'")

    monkeypatch.setattr(replica, "build_engine", missing)
    made = ModelReplica.__new__(ModelReplica)
    with capture_logs() as events, pytest.raises(ModuleNotFoundError):
        await made.__init__(scripted_spec(), 0.0, LIMITS, 60.0)
    assert [event["event"] for event in events] == ["model_not_loaded"]
    # Serve calls it for what was begun too, and logs what it raises after the error that counts.
    made.__del__()


async def test_a_replica_that_is_retired_stops_its_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModelReplica.__new__(ModelReplica)
    with capture_logs() as events:
        await made.__init__(scripted_spec(), 0.0, LIMITS, 60.0)
    assert [event["event"] for event in events] == ["model_loaded"]
    stopped = []
    monkeypatch.setattr(made._runner, "stop", lambda: stopped.append(True))
    made.__del__()
    made._alive.cancel()
    assert stopped == [True]
