"""What becomes of the scoring service when 200 clients ask ten times as much as it can do."""

import asyncio
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

# An item's size decides the outcome where clients share the processors: the smaller it is, the more
# calls make ten times the capacity, and asking and refusing take what scoring needs. Of these, two
# processors have enough for all three only with the large one.
SIZES = ((90, 6), (2400, 60))

CLIENTS = 200
CLIENT_PROCESSES = 2
PEAK_CLIENTS = 16
TIMES_CAPACITY = 10
TIMEOUT_S = 10.0
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
            one after the other without a pause.
        start_s: When they begin.
        stop_s: When they begin no more.
    """

    address: str
    words: int
    entities: int
    clients: int
    calls_per_s: float
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
    stub: pb_grpc.ScoringServiceStub,
    requests: Sequence[pb.ScoreExplanationRequest],
    load: Load,
    ended: list[Ended],
) -> None:
    async def call() -> None:
        sent_s = time.monotonic()
        code = StatusCode.OK
        try:
            await stub.ScoreExplanation(random.choice(requests), timeout=TIMEOUT_S)
        except aio.AioRpcError as failure:
            code = failure.code()
        ended.append(Ended(sent_s, time.monotonic() - sent_s, code.name))

    await asyncio.sleep(load.start_s - time.monotonic())
    if not load.calls_per_s:
        while time.monotonic() < load.stop_s:
            await call()
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
    rate: float,
    for_s: float,
) -> "_Run":
    """Puts the service under load by all processes."""
    start_s = time.monotonic() + 3.0  # by then all are connected
    share = clients // CLIENT_PROCESSES
    load = Load(address, *size, share, rate / clients, start_s, start_s + for_s)
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
        """Scored explanations per second, between the first second and the last."""
        from_s, to_s = self.start_s + 1.0, self.stop_s
        good = sum(call.code == "OK" and from_s <= call.ended_s < to_s for call in self.calls)
        return good / (to_s - from_s)

    def slowest_s(self, code: str, share: float) -> float:
        """What that share of the calls with a code did not exceed."""
        took = sorted(call.took_s for call in self.calls if call.code == code)
        return took[int(share * (len(took) - 1))] if took else 0.0


async def _probe(address: str, size: tuple[int, int], stop_s: float) -> list[Ended]:
    """Calls one after the other from the end of the overload on."""
    probes: list[Ended] = []
    load = Load(address, *size, 1, 1 / PROBE_INTERVAL_S, stop_s, stop_s + 3.0)
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


def _overload(workers: int, size: tuple[int, int], for_s: float = 8.0) -> None:
    """Prints the goodput at the peak and under overload, what was refused, and the recovery."""
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        scoring_server(Path(folder), WORKERS=str(workers)) as server,
        ProcessPoolExecutor(CLIENT_PROCESSES + 1, mp_context=context) as pool,
    ):
        address = server.address
        _run(pool, address, size, clients=PEAK_CLIENTS, rate=0, for_s=2.0)  # warms everything up
        peak = _run(pool, address, size, clients=PEAK_CLIENTS, rate=0, for_s=for_s)
        offered = TIMES_CAPACITY * peak.goodput
        say(f"{size[0]} words, {size[1]} entities, {workers} workers, single calls")
        say(f"  {PEAK_CLIENTS} clients, one call after the other: {peak.goodput:.0f} scored/s")
        probing = pool.submit(_probe_after, address, size, 3.0 + for_s)
        loaded = _run(pool, address, size, clients=CLIENTS, rate=offered, for_s=for_s)
        probes = probing.result()
    sent = len(loaded.calls) / for_s
    say(f"  {CLIENTS} clients, {sent:.0f} calls/s ({sent / peak.goodput:.1f} times the peak):")
    say(f"    scored/s {loaded.goodput:.0f} = {loaded.goodput / peak.goodput:.0%} of the peak")
    say(f"    calls by code {dict(loaded.codes)}")
    for code in ("OK", "RESOURCE_EXHAUSTED"):
        say(
            f"    {code}: half within {loaded.slowest_s(code, 0.5):.3f} s, "
            f"99 in 100 within {loaded.slowest_s(code, 0.99):.3f} s"
        )
    recovered_s = recovered_after_s(probes, loaded.stop_s)
    say(f"    every call answered from {recovered_s:.2f} s after the overload on")


def _probe_after(address: str, size: tuple[int, int], after_s: float) -> list[Ended]:
    return asyncio.run(_probe(address, size, time.monotonic() + after_s))
