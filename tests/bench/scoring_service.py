"""The rate of one stream of explanations through the scoring service."""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from grpc import aio

from expart.scoring.v1 import scoring_service_pb2 as pb
from expart.scoring.v1 import scoring_service_pb2_grpc as pb_grpc
from services.rpc.channel import open_channel
from tests.bench.scoring_texts import Item, make_items
from tests.contract.scoring_server import scoring_server


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


async def stream(address: str, items: Sequence[Item], count: int) -> float:
    """Scores so many items in one stream; answers per second of the clock."""

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
        started = time.perf_counter()
        call: aio.StreamStreamCall[pb.ScoreExplanationsRequest, pb.ScoreExplanationsResponse]
        call = pb_grpc.ScoringServiceStub(channel).ScoreExplanations(requests())
        answered = 0
        async for answer in call:
            assert answer.WhichOneof("result") == "scores"
            answered += 1
        assert answered == count
        return count / (time.perf_counter() - started)


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def over_grpc(count: int, workers: int) -> None:
    items = make_items(2_000, word_count=90, entity_count=6)
    say(f"ScoreExplanations, one stream, {workers} workers, client on the same machine")
    with (
        tempfile.TemporaryDirectory() as folder,
        scoring_server(Path(folder), WORKERS=str(workers)) as server,
    ):
        for part in range(1, 4):
            found = asyncio.run(stream(server.address, items, count // 3))
            pids = [server.process.pid, *server.worker_pids()]
            memory = ", ".join(f"{resident_mib(pid):.0f}" for pid in pids)
            say(f"  third {part}: {found:6.0f} explanations/s; MiB resident: {memory}")
