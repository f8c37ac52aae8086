"""Starts one model of the catalog, asks it one question, and ends it."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from grpc import aio
from rich.console import Console

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as rpc
from services.cli.loading_display import LoadingDisplay
from services.core.errors import ExpArtError
from services.generation.catalog import Catalog, ModelSpec, ScalingSpec
from services.generation.catalog_check import EntryCheck, Verdict
from services.generation.local import LoadingProgress, start_local
from services.generation.settings import GenerationSettings
from services.rpc.channel import open_channel
from services.rpc.read_settings import read_settings

# A GPU answers within seconds; a large model on a laptop's CPU takes minutes.
_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Question:
    """What every model is asked: an instruction about a picture, encoded as its file has it."""

    instruction: str
    picture: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a question.

    Attributes:
        failure: Why there is no answer, in one line; empty if there is one.
        text: The answer.
        load_s: Seconds until the model could be called.
        first_token_s: Seconds from the question to the first token.
        total_s: Seconds from the question to the last one.
        prompt_tokens: Tokens of the prompt, the picture's among them.
        image_tokens: Tokens of the picture.
        generated_tokens: Tokens of the answer.
        engine: Engine and version that ran it, and its number format.
        revision: Revision of the weights.
    """

    failure: str = ""
    text: str = ""
    load_s: float = 0.0
    first_token_s: float = 0.0
    total_s: float = 0.0
    prompt_tokens: int = 0
    image_tokens: int = 0
    generated_tokens: int = 0
    engine: str = ""
    revision: str = ""


def reason_not_to_ask(entry: EntryCheck, *, chosen: bool) -> str:
    """Says why a model is not asked; empty if it is.

    Args:
        entry: Its entry.
        chosen: Whether somebody named it: an endpoint may cost money, so no other is called.
    """
    if entry.spec is None or entry.verdict is Verdict.WRONG:
        return "its entry is wrong"
    if entry.spec.has_weights and entry.weights is None:
        return "its weights are not on this machine"
    if entry.spec.engine == "openai" and not chosen:
        return "name it to have its endpoint called"
    return ""


def ask_model(spec: ModelSpec, question: Question, console: Console, log_path: Path) -> Answer:
    """Starts the local stack with one model, asks, and ends the stack.

    Args:
        spec: The model; one replica of it is started.
        question: What to ask.
        console: Shows how far it is.
        log_path: Takes what Ray and the engine print.
    """
    one_replica = ScalingSpec(min_replicas=1, max_replicas=1)
    catalog = Catalog({spec.name: spec.model_copy(update={"scaling": one_replica})})
    settings = read_settings(GenerationSettings).in_plaintext()
    load_s = 0.0

    def note(step: LoadingProgress) -> None:
        nonlocal load_s
        load_s = step.elapsed_s
        display.update(step)

    try:
        with LoadingDisplay((spec.name,), console) as display:
            stack = start_local(
                catalog, (spec.name,), progress=note, log_path=log_path, settings=settings
            )
        with stack:
            response = asyncio.run(_call(stack.address, spec.name, question))
    except ExpArtError as error:
        return Answer(failure=error.message, load_s=load_s)
    except aio.AioRpcError as error:
        return Answer(failure=f"{error.code().name}: {error.details()}", load_s=load_s)
    return _answer(response, load_s)


async def _call(address: str, model: str, question: Question) -> pb.GenerateExplanationResponse:
    request = pb.GenerateExplanationRequest(model=model, instruction=question.instruction)
    request.image.data = question.picture
    async with open_channel(address) as channel:
        stub = rpc.GenerationServiceStub(channel)
        return await stub.GenerateExplanation(request, timeout=_TIMEOUT_S)


def _answer(response: pb.GenerateExplanationResponse, load_s: float) -> Answer:
    completion = response.completion
    origin, times, usage = completion.provenance, completion.timings, completion.usage
    first_token_s = _seconds(times.queue_duration) + _seconds(times.prefill_duration)
    return Answer(
        text=response.text.strip(),
        load_s=load_s,
        first_token_s=first_token_s,
        total_s=first_token_s + _seconds(times.decode_duration),
        prompt_tokens=usage.prompt_token_count,
        image_tokens=usage.image_token_count,
        generated_tokens=usage.generated_token_count,
        engine=f"{origin.engine} {origin.engine_version}, {origin.dtype}",
        revision=origin.revision,
    )


def _seconds(duration: Duration) -> float:
    return duration.ToNanoseconds() / 1e9
