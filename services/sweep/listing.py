"""Asks a running generation service which models it has."""

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as rpc
from services.rpc.channel import open_channel
from services.rpc.client_security import ClientSecurity
from services.sweep.directory import FixedDirectory, ModelDescription
from services.sweep.rpc_faults import translated

# A listing is answered from memory; waiting longer would only hide that the service is not there.
_TIMEOUT_S = 10.0


async def served_models(address: str, security: ClientSecurity | None = None) -> FixedDirectory:
    """Asks a running generation service which models it has.

    Args:
        address: ``host:port`` of the service.
        security: What it is called with; by default plaintext without a token.

    Raises:
        UserInputError: A file of the security is wrong.
        ServiceError: The service failed or is not there.
    """
    async with open_channel(address, security) as channel:
        with translated():
            answer = await rpc.GenerationServiceStub(channel).ListModels(
                pb.ListModelsRequest(), timeout=_TIMEOUT_S
            )
    return FixedDirectory(map(_description, answer.models), f"the generation service at {address}")


def _description(model: pb.Model) -> ModelDescription:
    return ModelDescription(
        name=model.name,
        revision=model.revision,
        adapters=tuple(model.adapters),
        chat_template_digest=model.chat_template_digest,
        gpu_count=model.gpu_count,
    )
