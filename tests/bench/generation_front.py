"""Small unary calls through the front and a scripted model, against a bare grpc.aio server."""

import asyncio
import multiprocessing
import statistics
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection

import grpc
from grpc import aio

from expart.generation.v1 import generation_service_pb2 as pb
from services.generation import settings as generation_settings
from services.generation.catalog import ModelSpec
from services.generation.catalog_parts import SamplingSpec, ScalingSpec
from services.generation.servicer import SERVICE_NAME
from tests.bench.generation_load import codes, in_turn, stack, stubs, word_request
from tests.bench.scoring_service import say

IN_FLIGHT = 64
ROUNDS, ROUND_S = 5, 4.0


def scripted(**keys: object) -> ModelSpec:
    """A scripted model that takes on many requests at a time."""
    base = {
        "name": "scripted",
        "engine": "scripted",
        "max_model_len": 4096,
        "num_cpus": 0,
        "sampling": SamplingSpec(max_tokens=1),
        "scaling": ScalingSpec(max_ongoing_requests=256, max_queued_requests=1024),
    }
    return ModelSpec.model_validate({**base, **keys})


async def _echo(told: Connection) -> None:
    async def answer(request: pb.GenerateExplanationRequest, _: object) -> object:
        return pb.GenerateExplanationResponse(text=request.instruction)

    method = grpc.unary_unary_rpc_method_handler(
        answer,
        pb.GenerateExplanationRequest.FromString,
        pb.GenerateExplanationResponse.SerializeToString,
    )
    server = aio.server()
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(SERVICE_NAME, {"GenerateExplanation": method})]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    told.send(f"127.0.0.1:{port}")
    await server.wait_for_termination()


def _run_echo(told: Connection) -> None:
    asyncio.run(_echo(told))


@contextmanager
def echo_server() -> Iterator[str]:
    """Runs the baseline in a process of its own; gives its address."""
    context = multiprocessing.get_context("spawn")
    hears, told = context.Pipe(duplex=False)
    process = context.Process(target=_run_echo, args=(told,), daemon=True)
    process.start()
    try:
        yield str(hears.recv())
    finally:
        process.terminate()
        process.join()


def small_calls(*, each_variable: bool) -> None:
    """Prints the ratio; with ``each_variable`` also without each of the variables."""
    tuned = generation_settings.SERVE_ENVIRONMENT
    say(f"front: unary, one word, {IN_FLIGHT} in flight, client on the same machine")
    _compare("all variables", tuned)
    if not each_variable:
        return
    for name in tuned:
        if name != "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH":  # for large pictures, not for speed
            _compare(f"without {name}", {k: v for k, v in tuned.items() if k != name})


def _compare(title: str, variables: Mapping[str, str]) -> None:
    before = generation_settings.SERVE_ENVIRONMENT
    generation_settings.SERVE_ENVIRONMENT = variables
    try:
        with stack([scripted()]) as local, echo_server() as echo:
            ratios, rates = asyncio.run(_rounds(local.address, echo))
    finally:
        generation_settings.SERVE_ENVIRONMENT = before
    ours, bare = (statistics.median(side) for side in zip(*rates, strict=True))
    say(
        f"  {title}: the front {ours:.0f} calls/s, bare server {bare:.0f}, "
        f"median ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


async def _rounds(ours: str, bare: str) -> tuple[list[float], list[tuple[float, float]]]:
    ratios, rates = [], []
    for round_number in range(ROUNDS + 1):
        one, two = await _rate(ours), await _rate(bare)
        if round_number:  # the first warms up
            ratios.append(one / two)
            rates.append((one, two))
    return ratios, rates


async def _rate(address: str) -> float:
    async with stubs(address) as connections:
        ended = await in_turn(connections, IN_FLIGHT, ROUND_S, lambda: word_request("scripted"))
    assert codes(ended).keys() == {"OK"}, codes(ended)
    return len(ended) / (max(call.ended_s for call in ended) - min(call.sent_s for call in ended))
