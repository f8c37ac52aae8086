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
from services.sweep.remote.waking import Waker

# A listing is answered from memory; waiting longer would only hide that the service is not there.
_TIMEOUT_S = 10.0
_INTERVAL_S = 1.0
_NOT_LOADED = (pb.MODEL_STATE_LOADING, pb.MODEL_STATE_SCALED_TO_ZERO)


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
        awaited: Models of which it is wanted what they run: one that is scaled to zero is woken
            where the catalog does not pin that, and while one is being loaded it is waited for.
        patience_s: For how many seconds, at most, until the next of them is there.
        note: Told what is waited for.

    Raises:
        UserInputError: A file of the security is wrong.
        ServiceError: The service failed or is not there, or will not wake a model.
    """
    until, told = time.monotonic() + patience_s, ""
    # As each was last known: one that has been seen may be asleep again when the next one is there.
    models: dict[str, ModelDescription] = {}
    async with open_channel(address, security) as channel:
        stub = rpc.GenerationServiceStub(channel)
        waker = Waker(stub, patience_s)
        try:
            while True:
                with named("generation", address), translated():
                    answer = await stub.ListModels(pb.ListModelsRequest(), timeout=_TIMEOUT_S)
                for model in answer.models:
                    if model.name in models and _tells_nothing(model):
                        continue
                    models[model.name] = _description(model)
                    if not models[model.name].is_to_be_known:
                        waker.leave(model.name)
                unknown = {
                    name for name in awaited if name in models and models[name].is_to_be_known
                }
                names = ", ".join(sorted(unknown))
                if names != told:
                    # Those that share a GPU come one after the other.
                    until = time.monotonic() + patience_s
                if not unknown or time.monotonic() >= until:
                    return FixedDirectory(models.values(), f"the generation service at {address}")
                if names != told:
                    note(f"waiting for what is being loaded: {names}")
                    told = names
                for model in answer.models:
                    if model.name in unknown and model.state == pb.MODEL_STATE_SCALED_TO_ZERO:
                        with named("generation", address):
                            waker.wake(model.name)
                await asyncio.sleep(_INTERVAL_S)
        finally:
            await waker.close()


def _description(model: pb.Model) -> ModelDescription:
    return ModelDescription(
        name=model.name,
        revision=model.revision,
        adapters=tuple(model.adapters),
        chat_template_digest=model.chat_template_digest,
        gpu_count=model.gpu_count,
        adapter_revisions=dict(model.adapter_revisions),
        configuration_digest=model.configuration_digest,
        failure=model.state_reason if model.state == pb.MODEL_STATE_FAILED else "",
        is_to_be_known=model.state in _NOT_LOADED and not _is_known(model),
    )


def _tells_nothing(model: pb.Model) -> bool:
    """Whether a model may yet say what it runs: a replica that has just come up may be too busy."""
    return not _is_known(model) and model.state in (*_NOT_LOADED, pb.MODEL_STATE_READY)


def _is_known(model: pb.Model) -> bool:
    return bool(model.revision) and set(model.adapters) <= set(model.adapter_revisions)
