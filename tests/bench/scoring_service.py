"""The rate of one stream of explanations through the scoring service."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from grpc import aio

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.metrics import ScoringInput, score_all
from services.rpc.channel import open_channel
from tests.bench.scoring_texts import Item, make_items
from tests.contract.scoring_server import scoring_server


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


async def stream(
    address: str, items: Sequence[Item], count: int, part: int, report: Callable[[float], None]
) -> None:
    """Scores so many items in one stream.

    Args:
        address: The service.
        items: What to score, over and over.
        count: How many answers to wait for.
        part: After so many answers, each time, ...
        report: ... this is told the answers per second of the clock since the last time.
    """

    def requests() -> Iterator[pb.ScoreExplanationsRequest]:
        for number in range(count):
            item = items[number % len(items)]
            yield pb.ScoreExplanationsRequest(
                item_id=str(number),
                item=pb.ScoringItem(
                    candidate=item.candidate, reference=item.reference, entities=item.entities
                ),
            )

    async with open_channel(address) as channel:
        call: aio.StreamStreamCall[pb.ScoreExplanationsRequest, pb.ScoreExplanationsResponse]
        call = pb_grpc.ScoringServiceStub(channel).ScoreExplanations(requests())
        answered = 0
        started = time.perf_counter()
        async for answer in call:
            assert answer.WhichOneof("result") == "scores"
            answered += 1
            if answered % part == 0:
                report(part / (time.perf_counter() - started))
                started = time.perf_counter()
        assert answered == count


def resident_mib(pid: int) -> float:
    """Memory that a process occupies."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def processor_s(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def in_process_rate(items: Sequence[Item]) -> float:
    """Explanations a second of processor time by the library alone, references new."""
    for item in items[:20]:
        score_all(ScoringInput(item.candidate, item.reference, item.entities))
    started = time.process_time()
    for item in items:
        score_all(ScoringInput(item.candidate, item.reference, item.entities))
    return len(items) / (time.process_time() - started)


def over_grpc(count: int, workers: int, parts: int = 3) -> None:
    """Prints, for each part of one stream, its rate, where the time goes, and the memory held.

    The rate in process is taken before and after, as the machine's own pace changes by the minute.
    """
    items = make_items(2_000, word_count=90, entity_count=6)
    say(f"ScoreExplanations, one stream, {workers} workers, client on the same machine")
    before_rate = in_process_rate(items[:1_000])
    rates: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        scoring_server(Path(folder), WORKERS=str(workers)) as server,
    ):
        pids = {"service": server.process.pid, "client": os.getpid()}
        pids |= {f"worker {n}": pid for n, pid in enumerate(server.worker_pids(), start=1)}
        part = count // parts
        before = {name: processor_s(pid) for name, pid in pids.items()}

        def report(found: float) -> None:
            rates.append(found)
            say(f"  part {len(rates)}: {found:.0f} explanations/s")
            for name, pid in pids.items():
                spent_us = (processor_s(pid) - before[name]) / part * 1e6
                before[name] = processor_s(pid)
                say(f"    {name}: {spent_us:.0f} us an item, {resident_mib(pid):.0f} MiB")

        asyncio.run(stream(server.address, items, part * parts, part, report))
    after_rate = in_process_rate(items[:1_000])
    alone = (before_rate + after_rate) / 2
    # All parts have as many items: the whole stream's rate is their harmonic mean.
    whole = len(rates) / sum(1 / rate for rate in rates)
    say(f"  in process, one core: {before_rate:.0f} before, {after_rate:.0f} after")
    say(f"  the stream: {whole:.0f} explanations/s, {whole / alone:.0%} of one core in process")
