"""What becomes of the scoring service when 200 clients ask ten times as much as it can do.

Clients that do as they are told keep ten times as many calls going as the service lets wait, and
come back with what it refused when it says. Clients that do not begin ten times as many calls a
second as it can answer, whatever becomes of them.
"""

import asyncio
import math
import multiprocessing
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from grpc import StatusCode, aio

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from tests.bench.scoring_service import say
from tests.bench.scoring_texts import make_items
from tests.contract.scoring_server import scoring_server

# An item's size decides the outcome where clients that heed nothing share the processors: the
# smaller it is, the more calls make ten times the capacity, and asking and refusing take what
# scoring needs. Of these, two processors have enough for all three only with the large one.
SIZES = ((90, 6), (2400, 60))

CLIENTS = 200
CLIENT_PROCESSES = 2
PEAK_CLIENTS = 16
TIMES_CAPACITY = 10
TIMEOUT_S = 10.0
RAMP_S = 10.0
MAX_WAIT_S = 0.8  # as the service's settings have it
PROBE_INTERVAL_S = 0.05


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that ended.

    Attributes:
        sent_s: When it was sent, as a reading of the clock that all processes share.
        took_s: How long it took.
        code: Name of its status code.
    """

    sent_s: float
    took_s: float
    code: str

    @property
    def ended_s(self) -> float:
        return self.sent_s + self.took_s


@dataclass(frozen=True, slots=True)
class Load:
    """What one client process does.

    Attributes:
        address: The service.
        words: Words of a candidate, and of a reference.
        entities: Entities of an item.
        clients: How many clients it is, each with a connection of its own.
        calls_per_s: Calls that each begins a second, whether or not earlier ones have ended; 0:
            each has ``lines`` of calls, one after the other.
        lines: How many calls a client has going at a time, refused ones that are to be made again
            included.
        start_s: When they begin.
        stop_s: When they begin no more.
    """

    address: str
    words: int
    entities: int
    clients: int
    calls_per_s: float
    lines: int
    start_s: float
    stop_s: float


def put_under(load: Load) -> list[Ended]:
    """Runs the clients of one process; gives every call that they made."""
    return asyncio.run(_clients(load))


async def _clients(load: Load) -> list[Ended]:
    requests = [
        pb.ScoreExplanationRequest(
            item=pb.ScoringItem(candidate=i.candidate, reference=i.reference, entities=i.entities)
        )
        for i in make_items(50, load.words, load.entities)
    ]
    ended: list[Ended] = []
    async with AsyncExitStack() as channels:
        clients = []
        for _ in range(load.clients):
            # Without retries, and without the connection that equal channels would share.
            options = [
                ("grpc.enable_retries", 0),
                ("grpc.enable_http_proxy", 0),
                ("grpc.use_local_subchannel_pool", 1),
            ]
            channel = aio.insecure_channel(load.address, options=options)
            await channels.enter_async_context(channel)
            await asyncio.wait_for(channel.channel_ready(), TIMEOUT_S)
            clients.append(_client(pb_grpc.ScoringServiceStub(channel), requests, load, ended))
        await asyncio.gather(*clients)
    return ended


async def _client(
    stub: "pb_grpc.ScoringServiceAsyncStub",
    requests: Sequence[pb.ScoreExplanationRequest],
    load: Load,
    ended: list[Ended],
) -> None:
    async def call() -> float:
        """Makes a call; gives the seconds after which the service wants to be asked again."""
        sent_s = time.monotonic()
        code, again_s = StatusCode.OK, 0.0
        try:
            await stub.ScoreExplanation(random.choice(requests), timeout=TIMEOUT_S)
        except aio.AioRpcError as failure:
            code = failure.code()
            pushback = dict(failure.trailing_metadata() or ()).get("grpc-retry-pushback-ms", "0")
            again_s = int(pushback) / 1000
        ended.append(Ended(sent_s, time.monotonic() - sent_s, code.name))
        return again_s

    async def line() -> None:
        # Not all at once: they began before anybody looked.
        await asyncio.sleep(random.random() * RAMP_S * (load.lines > 1))
        while time.monotonic() < load.stop_s:
            again_s = await call()
            await asyncio.sleep(min(again_s, load.stop_s - time.monotonic()))

    await asyncio.sleep(load.start_s - time.monotonic())
    if not load.calls_per_s:
        await asyncio.gather(*(line() for _ in range(load.lines)))
        return
    async with asyncio.TaskGroup() as calls:
        due_s = load.start_s + random.random() / load.calls_per_s
        while due_s < load.stop_s:
            await asyncio.sleep(due_s - time.monotonic())
            calls.create_task(call())
            due_s += 1 / load.calls_per_s


def _run(
    pool: ProcessPoolExecutor,
    address: str,
    size: tuple[int, int],
    *,
    clients: int,
    rate: float = 0,
    lines: int = 1,
    for_s: float,
) -> "_Run":
    """Puts the service under load by all processes."""
    start_s = time.monotonic() + 3.0  # by then all are connected
    share = clients // CLIENT_PROCESSES
    load = Load(address, *size, share, rate / clients, lines, start_s, start_s + for_s)
    calls = [pool.submit(put_under, load) for _ in range(CLIENT_PROCESSES)]
    return _Run(start_s, start_s + for_s, [call for made in calls for call in made.result()])


@dataclass(frozen=True, slots=True)
class _Run:
    start_s: float
    stop_s: float
    calls: list[Ended]

    @property
    def codes(self) -> Counter[str]:
        return Counter(call.code for call in self.calls)

    @property
    def goodput(self) -> float:
        """Scored explanations per second, once all clients have begun."""
        from_s, to_s = self.start_s + RAMP_S, self.stop_s
        good = sum(call.code == "OK" and from_s <= call.ended_s < to_s for call in self.calls)
        return good / (to_s - from_s)

    def slowest_s(self, code: str, share: float) -> float:
        """What that share of the calls with a code did not exceed."""
        took = sorted(call.took_s for call in self.calls if call.code == code)
        return took[int(share * (len(took) - 1))] if took else 0.0


async def _probe(address: str, size: tuple[int, int], stop_s: float) -> list[Ended]:
    """Calls one after the other from the end of the overload on."""
    probes: list[Ended] = []
    load = Load(address, *size, 1, 1 / PROBE_INTERVAL_S, 1, stop_s, stop_s + 3.0)
    probes += await _clients(load)
    return sorted(probes, key=lambda probe: probe.sent_s)


def recovered_after_s(probes: Sequence[Ended], stop_s: float) -> float:
    """How long after the overload every call is answered: when the first such answer came."""
    good_s = float("inf")
    for probe in reversed(probes):
        if probe.code != "OK":
            break
        good_s = probe.ended_s - stop_s
    return good_s


def overload(workers: int) -> None:
    """Puts a service of its own under load for each size of items."""
    for size in SIZES:
        _overload(workers, size)


def _overload(workers: int, size: tuple[int, int], for_s: float = 22.0) -> None:
    """Prints the goodput at the peak and under overload, what was refused, and the recovery.

    The peak is taken before and after, as the machine's own pace changes by the minute.
    """
    context = multiprocessing.get_context("spawn")
    # To the service, all that come from one machine without a token are one client.
    settings = {"WORKERS": str(workers), "MAX_CALLS_PER_CLIENT": "4000"}
    with (
        tempfile.TemporaryDirectory() as folder,
        scoring_server(Path(folder), **settings) as server,
        ProcessPoolExecutor(CLIENT_PROCESSES + 1, mp_context=context) as pool,
    ):
        address = server.address
        _run(pool, address, size, clients=PEAK_CLIENTS, for_s=2.0)  # warms everything up
        before = _run(pool, address, size, clients=PEAK_CLIENTS, for_s=for_s).goodput
        say(f"{size[0]} words, {size[1]} entities, {workers} workers, single calls")

        lines = math.ceil(TIMES_CAPACITY * before * MAX_WAIT_S / CLIENTS)
        probing = pool.submit(_probe_after, address, size, 3.0 + for_s)
        heeding = _run(pool, address, size, clients=CLIENTS, lines=lines, for_s=for_s)
        probes = probing.result()
        after = _run(pool, address, size, clients=PEAK_CLIENTS, for_s=for_s).goodput
        peak = (before + after) / 2
        say(
            f"  {PEAK_CLIENTS} clients, one call after the other: {before:.0f} scored/s before, "
            f"{after:.0f} after what follows"
        )
        say(f"  {CLIENTS} clients, {lines} calls each at a time, made again when they are told:")
        _say_overload(heeding, peak, probes)

        rate = TIMES_CAPACITY * peak
        probing = pool.submit(_probe_after, address, size, 3.0 + for_s)
        heedless = _run(pool, address, size, clients=CLIENTS, rate=rate, for_s=for_s)
        say(f"  {CLIENTS} clients, {rate:.0f} calls/s together whatever they are told:")
        _say_overload(heedless, peak, probing.result())


def _say_overload(run: "_Run", peak: float, probes: Sequence[Ended]) -> None:
    sent = len(run.calls) / (run.stop_s - run.start_s)
    say(
        f"    calls/s {sent:.0f}, scored/s {run.goodput:.0f} = {run.goodput / peak:.0%} of the peak"
    )
    say(f"    calls by code {dict(run.codes)}")
    for code in ("OK", "RESOURCE_EXHAUSTED"):
        say(
            f"    {code}: half within {run.slowest_s(code, 0.5):.3f} s, "
            f"99 in 100 within {run.slowest_s(code, 0.99):.3f} s"
        )
    recovered_s = recovered_after_s(probes, run.stop_s)
    say(f"    every call answered from {recovered_s:.2f} s after the overload on")


def _probe_after(address: str, size: tuple[int, int], after_s: float) -> list[Ended]:
    return asyncio.run(_probe(address, size, time.monotonic() + after_s))
