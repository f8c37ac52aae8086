"""Models that one GPU cannot hold together, on a machine that is told it has one GPU."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.generation import settings, turns
from services.generation.catalog import Catalog
from services.generation.engines.scripted import ScriptedEngine
from services.generation.local import LocalGeneration, start_local
from services.rpc.channel import open_channel
from services.sweep.remote.listing import served_models
from tests.unit.generation.builders import scripted_spec

pytestmark = [pytest.mark.slow, pytest.mark.stack]

# Loading is counted in seconds here; a machine with other work to do may take its time.
TIMEOUT_S = 240.0
SPECS = [
    scripted_spec(name).model_copy(update={"num_gpus": 1.0, "num_cpus": 0.5})
    for name in ("first", "second")
]


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalGeneration]:
    one_gpu: Mapping[str, str] = {"RAY_OVERRIDE_RESOURCES": '{"GPU": 1}'}
    environment = settings._LOCAL_RAY_ENVIRONMENT
    monkeypatch.setattr(settings, "_LOCAL_RAY_ENVIRONMENT", {**environment, **one_gpu})
    monkeypatch.setattr(turns, "_GIVES_BACK_AFTER_S", 1.0)
    catalog = Catalog({spec.name: spec for spec in SPECS})
    log_path = tmp_path / "generation.log"
    with start_local(catalog, catalog.names, log_path=log_path, at_a_time=1) as local:
        yield local


async def test_models_that_take_turns_on_one_gpu_are_known_and_answer_one_after_the_other(
    stack: LocalGeneration,
) -> None:
    names = [spec.name for spec in SPECS]
    async with asyncio.timeout(TIMEOUT_S):
        directory = await served_models(stack.address, awaited=names, patience_s=TIMEOUT_S)
        for spec in SPECS:
            assert directory.describe(spec.name).revision == ScriptedEngine(spec).revision
        async with open_channel(stack.address) as channel:
            stub = pb_grpc.GenerationServiceStub(channel)
            for name in (*names, names[0]):
                asked = pb.GenerateExplanationRequest(model=name, instruction="Explain.")
                answer = await stub.GenerateExplanation(asked, timeout=TIMEOUT_S)
                assert answer.completion.provenance.model == name
                listing = await stub.ListModels(pb.ListModelsRequest())
                ready = [model.name for model in listing.models if model.ready_replica_count]
                assert len(ready) <= 1
