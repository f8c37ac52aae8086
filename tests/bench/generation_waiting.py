"""The memory that streams take which wait for their first token."""

import asyncio
import time

import psutil
from grpc import aio

from expart.generation.v1 import generation_service_pb2 as pb
from services.generation.catalog_parts import ScalingSpec, ScriptedSpec
from services.generation.local import LocalGeneration
from tests.bench.generation_front import scripted
from tests.bench.generation_load import stack, stubs
from tests.bench.scoring_service import say

PLACES = 64
CONNECTIONS = 20


async def waiting_streams(count: int) -> None:
    """Prints the memory of the stack's processes with and without so many waiting streams."""
    spec = scripted(
        # Nobody is answered while we count.
        scripted=ScriptedSpec(first_token_s=3600),
        scaling=ScalingSpec(max_ongoing_requests=PLACES, max_queued_requests=2 * count),
    )
    settings = {
        "max_calls": 2 * count,
        "max_calls_per_client": 2 * count,
        "generation_timeout_s": 7200.0,
    }
    say(f"waiting: {count} streams over {CONNECTIONS} connections, {PLACES} of them at the engine")
    with stack([spec], **settings) as local:
        async with stubs(local.address, CONNECTIONS) as connections:
            before = _memory_mib(local)
            began_s = time.monotonic()
            streams = [
                connections[number % CONNECTIONS].StreamExplanation(
                    pb.StreamExplanationRequest(
                        model=spec.name, instruction=f"Explain {number}", lane=pb.LANE_SWEEP
                    )
                )
                for number in range(count)
            ]
            reads = [asyncio.ensure_future(_first(stream)) for stream in streams]
            for _ in range(6):
                await asyncio.sleep(10)
                held = _memory_mib(local)
                open_count = sum(not read.done() for read in reads)
                grown = {name: held[name] - before.get(name, 0.0) for name in held}
                name, most = max(grown.items(), key=lambda item: item[1])
                say(
                    f"  after {time.monotonic() - began_s:.0f} s: {open_count} wait, "
                    f"all processes {sum(grown.values()):+.0f} MiB, most of it {name} "
                    f"{most:+.0f} MiB = {most * 1024 / count:.1f} KiB a stream"
                )
            refused = [read.result() for read in reads if read.done()]
            if refused:
                say(f"  ended early: {sorted(set(refused))}")
            for stream in streams:
                stream.cancel()
            await asyncio.gather(*reads)
            await asyncio.sleep(3)
            left = sum(_memory_mib(local).values()) - sum(before.values())
            say(f"  3 s after all were cancelled: {left:+.0f} MiB")


async def _first(
    stream: "aio.UnaryStreamCall[pb.StreamExplanationRequest, pb.StreamExplanationResponse]",
) -> str:
    try:
        await stream.read()
    except aio.AioRpcError as failure:
        return failure.code().name
    except asyncio.CancelledError:
        return "CANCELLED"
    return "OK"


def _memory_mib(local: LocalGeneration) -> dict[str, float]:
    """Memory that is a process's own, by what the process is called."""
    found: dict[str, float] = {}
    for process in psutil.Process(local.process_id).children(recursive=True):
        try:
            name = (process.cmdline() or [process.name()])[0].split("/")[-1]
            found[name] = found.get(name, 0.0) + process.memory_full_info().uss / 2**20
        except psutil.NoSuchProcess:
            continue
    return found
