"""Small unary calls through the front and a scripted model, against bare grpc.aio servers."""

import asyncio
import multiprocessing
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

import grpc
from grpc import aio

from expart.generation.v1 import generation_service_pb2 as pb
from services.generation import settings as generation_settings
from services.generation.catalog import ModelSpec
from services.generation.catalog_parts import SamplingSpec, ScalingSpec
from services.generation.local import LocalGeneration
from services.generation.servicer import SERVICE_NAME
from tests.bench.generation_load import codes, in_turn, stack, stubs, word_request
from tests.bench.scoring_service import say

IN_FLIGHT = 64
ROUNDS, ROUND_S = 5, 3.0


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


@contextmanager
def bare_front(local: LocalGeneration) -> Iterator[str]:
    """Runs a bare server with one hop by Serve in a stack's own cluster; gives its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.generation_hop", local.ray_address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=generation_settings.local_ray_environment(local.ray_token),
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        address = next(line for line in process.stdout if line.startswith("address "))
        yield address.split()[1]
    finally:
        process.stdin.close()
        process.wait()


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
        with (
            stack([scripted()]) as local,
            bare_front(local) as hop,
            echo_server() as echo,
        ):
            rates = asyncio.run(_rounds([local.address, hop, echo]))
    finally:
        generation_settings.SERVE_ENVIRONMENT = before
    ours, hops, bare = (statistics.median(side) for side in zip(*rates, strict=True))
    ratios = [one / echoed for one, _, echoed in rates]
    say(
        f"  {title}: the front {ours:.0f} calls/s, bare server with Serve's hop {hops:.0f}, "
        f"bare server {bare:.0f}"
    )
    say(
        f"    the front to the bare server: median {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}); the hop alone to it {hops / bare:.2f}"
    )


async def _rounds(addresses: Sequence[str]) -> list[list[float]]:
    """Measures all in turn, several times; the first time only warms them up."""
    rounds = [[await _rate(address) for address in addresses] for _ in range(ROUNDS + 1)]
    return rounds[1:]


async def _rate(address: str) -> float:
    async with stubs(address) as connections:
        ended = await in_turn(connections, IN_FLIGHT, ROUND_S, lambda: word_request("scripted"))
    assert codes(ended).keys() == {"OK"}, codes(ended)
    return len(ended) / (max(call.ended_s for call in ended) - min(call.sent_s for call in ended))
