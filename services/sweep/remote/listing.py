"""Asks a running generation service which models it has."""

import asyncio
import time
from collections.abc import Callable, Collection

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as rpc
from services.rpc.channel import open_channel
from services.rpc.client_security import ClientSecurity
from services.sweep.plan.directory import FixedDirectory, ModelDescription
from services.sweep.remote.rpc_faults import named, translated

# A listing is answered from memory; waiting longer would only hide that the service is not there.
_TIMEOUT_S = 10.0
_INTERVAL_S = 1.0


def _tell_nobody(note: str) -> None:
    del note


async def served_models(
    address: str,
    security: ClientSecurity | None = None,
    *,
    awaited: Collection[str] = (),
    patience_s: float = 0.0,
    note: Callable[[str], None] = _tell_nobody,
) -> FixedDirectory:
    """Asks a running generation service which models it has.

    Args:
        address: ``host:port`` of the service.
        security: What it is called with; by default plaintext without a token.
        awaited: Models whose revision is wanted: while one is being loaded, and its revision is
            therefore not known, it is waited for.
        patience_s: For how many seconds, at most.
        note: Told what is waited for.

    Raises:
        UserInputError: A file of the security is wrong.
        ServiceError: The service failed or is not there.
    """
    until, told = time.monotonic() + patience_s, ""
    async with open_channel(address, security) as channel:
        stub = rpc.GenerationServiceStub(channel)
        while True:
            with named("generation", address), translated():
                answer = await stub.ListModels(pb.ListModelsRequest(), timeout=_TIMEOUT_S)
            models = tuple(map(_description, answer.models))
            loading = [m.name for m in models if m.name in awaited and m.is_to_be_known]
            if not loading or time.monotonic() >= until:
                return FixedDirectory(models, f"the generation service at {address}")
            names = ", ".join(loading)
            if names != told:
                note(f"waiting for what is being loaded: {names}")
                told = names
            await asyncio.sleep(_INTERVAL_S)


def _description(model: pb.Model) -> ModelDescription:
    return ModelDescription(
        name=model.name,
        revision=model.revision,
        adapters=tuple(model.adapters),
        chat_template_digest=model.chat_template_digest,
        gpu_count=model.gpu_count,
        adapter_revisions=dict(model.adapter_revisions),
        configuration_digest=model.configuration_digest,
        is_to_be_known=not model.revision and model.state == pb.MODEL_STATE_LOADING,
    )
