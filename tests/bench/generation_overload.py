"""What becomes of the generation service when it is offered ten times what it can do."""

import asyncio

import psutil

from expart.generation.v1 import generation_service_pb2 as pb
from services.generation.catalog_parts import SamplingSpec, ScalingSpec, ScriptedSpec
from services.generation.local import LocalGeneration
from tests.bench.generation_front import scripted
from tests.bench.generation_load import (
    Ended,
    at_rate,
    codes,
    in_turn,
    quantile,
    stack,
    stubs,
    word_request,
)
from tests.bench.scoring_service import say

TIMES_CAPACITY = 10
# 8 answers at a time of 0.4 s each: a capacity of 20 a second, so that ten times as many calls
# leave two processors, which clients and service share, with time to spare.
PLACES, TOKENS, TOKEN_S = 8, 20, 0.02
INTERACTIVE_PER_S = 1.0


async def overload(for_s: float) -> None:
    """Prints goodput, refusals, memory and the interactive lane's times, unloaded and loaded."""
    spec = scripted(
        sampling=SamplingSpec(max_tokens=TOKENS),
        scripted=ScriptedSpec(first_token_s=TOKEN_S, per_token_s=TOKEN_S),
        scaling=ScalingSpec(max_ongoing_requests=PLACES, max_queued_requests=4 * PLACES),
    )
    with stack([spec]) as local:
        async with stubs(local.address) as connections:
            unloaded = await at_rate(connections, INTERACTIVE_PER_S, 60.0, _interactive)
            calm = await in_turn(connections, 2 * PLACES, 20.0, _sweep)
            peak = _rate(calm, 20.0)
            say(f"overload: capacity {peak:.1f} answers/s, then {for_s:.0f} s of 10 times as many")
            watched: list[float] = []
            watching = asyncio.ensure_future(_watch(local, watched))
            loaded, interactive = await asyncio.gather(
                at_rate(connections, TIMES_CAPACITY * peak, for_s, _sweep),
                at_rate(connections, INTERACTIVE_PER_S, for_s, _interactive),
            )
            watching.cancel()
    goodput = _rate([*loaded, *interactive], for_s)
    say(f"  goodput {goodput:.1f}/s = {goodput / peak:.0%} of the peak; sweep lane {codes(loaded)}")
    refused = [call for call in loaded if call.code != "OK"]
    told = sum(call.says_when for call in refused)
    say(f"  refusals that say when to try again: {told} of {len(refused)}")
    say(
        f"  memory of the stack, MiB, each tenth of the time: "
        f"{[round(held) for held in watched[:: max(1, len(watched) // 10)]]}"
    )
    say(f"  interactive lane {codes(interactive)}")
    for share, name in ((0.5, "median"), (0.99, "p99")):
        one, two = _time(unloaded, share), _time(interactive, share)
        say(
            f"  interactive {name}: {one:.3f} s unloaded, {two:.3f} s loaded, {two / one:.2f} times"
        )


def _sweep() -> pb.GenerateExplanationRequest:
    return word_request("scripted", pb.LANE_SWEEP)


def _interactive() -> pb.GenerateExplanationRequest:
    return word_request("scripted", pb.LANE_INTERACTIVE)


def _rate(ended: list[Ended], for_s: float) -> float:
    """Answers a second, but for the first two seconds."""
    from_s = min(call.sent_s for call in ended) + 2.0
    good = [call for call in ended if call.code == "OK" and from_s <= call.ended_s]
    return sum(call.ended_s < from_s + for_s - 2.0 for call in good) / (for_s - 2.0)


def _time(ended: list[Ended], share: float) -> float:
    return quantile([call.took_s for call in ended if call.code == "OK"], share)


async def _watch(local: LocalGeneration, watched: list[float]) -> None:
    while True:
        family = psutil.Process(local.process_id).children(recursive=True)
        held = 0.0
        for process in family:
            try:
                held += process.memory_info().rss / 2**20
            except psutil.NoSuchProcess:
                continue
        watched.append(held)
        await asyncio.sleep(2)
