"""The service with a real model, against vLLM alone on the same questions."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from grpc import aio

from services.generation.app import engine_environment
from services.generation.catalog import ModelSpec, load_catalog
from services.generation.settings import GenerationSettings
from tests.bench.generation_load import TIMEOUT_S, quantile, question_request, stack, stubs
from tests.bench.generation_questions import FEW_TOKENS, Asked, questions
from tests.bench.scoring_service import say

MODEL = "demo-smol"
COLD_MODEL = "demo-tiny"
END_TIMEOUT_S = 30.0
IN_FLIGHT = 16
ROUNDS, QUESTIONS_A_ROUND = 3, 64
# A p99 of fewer is one or two of them.
FIRST_TOKEN_ROUNDS, FIRST_TOKENS_A_ROUND = 20, 20


async def measure(asked: Sequence[str]) -> None:
    """Prints the parts that are asked for."""
    settings = GenerationSettings()
    catalog = load_catalog(settings.catalog_folder, settings.models_folder)
    spec = catalog.get(MODEL)
    if {"throughput", "first-token"} & set(asked):
        with stack([spec]) as local:
            if "throughput" in asked:
                await _throughput(spec, local.address)
            if "first-token" in asked:
                await _first_token(spec, local.address)
    if "cold-start" in asked:
        await _cold_start(catalog.get(COLD_MODEL))


class _Baseline:
    """vLLM alone in a child process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, asked: Sequence[Asked]) -> dict[str, object]:
        assert self._process.stdin is not None
        pairs = [(str(question.image), question.instruction) for question in asked]
        self._process.stdin.write(json.dumps(pairs) + "\n")
        self._process.stdin.flush()
        return self.read()

    def read(self) -> dict[str, object]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):  # vLLM prints, too
                answer: dict[str, object] = json.loads(line)
                return answer
        raise RuntimeError("vLLM alone ended; run tests.bench.generation_baseline by hand")


@contextmanager
def _baseline(mode: str, spec: ModelSpec) -> Iterator[_Baseline]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.generation_baseline", mode, spec.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **engine_environment(spec)},
    )
    try:
        baseline = _Baseline(process)
        baseline.read()
        yield baseline
    finally:
        # Its core is a process of its own, which only its orderly end takes along.
        assert process.stdin is not None
        process.stdin.close()
        process.wait(END_TIMEOUT_S)


async def _throughput(spec: ModelSpec, address: str) -> None:
    say(f"throughput: {spec.name}, {IN_FLIGHT} in flight, 64 tokens an answer, a picture each")
    source = questions()
    ratios = []
    with _baseline("chat", spec) as alone:
        await asyncio.to_thread(alone.ask, list(islice(source, IN_FLIGHT)))
        await answered_in_s(spec.name, address, list(islice(source, IN_FLIGHT)))
        for _ in range(ROUNDS):
            found = await asyncio.to_thread(alone.ask, list(islice(source, QUESTIONS_A_ROUND)))
            alone_s = float(str(found["took_s"]))
            ours_s = await answered_in_s(
                spec.name, address, list(islice(source, QUESTIONS_A_ROUND))
            )
            ratios.append(alone_s / ours_s)
            say(
                f"  LLM.chat {QUESTIONS_A_ROUND / alone_s:.2f} questions/s, "
                f"the service {QUESTIONS_A_ROUND / ours_s:.2f}, ratio {ratios[-1]:.2f}"
            )
    say(f"  median ratio {statistics.median(ratios):.2f}")


async def answered_in_s(model: str, address: str, asked: Sequence[Asked]) -> float:
    """Asks all, so many at a time; gives the seconds it took."""
    waiting = iter(asked)

    async with stubs(address) as connections:
        began = time.perf_counter()

        async def line(number: int) -> None:
            for question in waiting:
                request = question_request(model, question)
                async for _ in connections[number % len(connections)].StreamExplanation(
                    request, timeout=TIMEOUT_S
                ):
                    pass

        await asyncio.gather(*(line(number) for number in range(IN_FLIGHT)))
        return time.perf_counter() - began


async def _first_token(spec: ModelSpec, address: str) -> None:
    say(f"first token: {spec.name}, one question at a time")
    source = questions()
    alone_s: list[float] = []
    prepared_s: list[float] = []
    ours_s: list[float] = []
    with _baseline("stream", spec) as alone:
        for round_number in range(FIRST_TOKEN_ROUNDS + 1):
            asked = list(islice(source, FIRST_TOKENS_A_ROUND))
            found = await asyncio.to_thread(alone.ask, asked)
            ours = await _first_tokens(spec.name, address, list(islice(source, len(asked))))
            if round_number:  # the first warms up
                alone_s += json.loads(str(found["firsts_s"]))
                prepared_s += json.loads(str(found["prepared_s"]))
                ours_s += ours
    for share, name in ((0.5, "median"), (0.99, "p99")):
        one, two = quantile(alone_s, share) * 1000, quantile(ours_s, share) * 1000
        say(f"  {name}: AsyncLLM {one:.1f} ms, the service {two:.1f} ms, {two - one:+.1f} ms")
    prepared_ms = statistics.median(prepared_s) * 1000
    say(f"  of AsyncLLM's, the picture's decoding and the template take {prepared_ms:.1f} ms")


async def _first_tokens(model: str, address: str, asked: Sequence[Asked]) -> list[float]:
    firsts = []
    async with stubs(address, 1) as [stub]:
        for question in asked:
            request = question_request(model, question, FEW_TOKENS)
            began = time.perf_counter()
            answer = stub.StreamExplanation(request, timeout=TIMEOUT_S)
            await answer.read()
            firsts.append(time.perf_counter() - began)
            while await answer.read() is not aio.EOF:
                pass
    return firsts


async def _cold_start(spec: ModelSpec, rounds: int = 3) -> None:
    say(f"cold start: {spec.name}, from the call to its first token, no replica running")
    scaling = spec.scaling.model_copy(
        update={"min_replicas": 0, "downscale_delay_s": 2.0, "upscale_delay_s": 0.0}
    )
    cold = spec.model_copy(update={"scaling": scaling})
    source = questions()
    ratios = []
    with stack([cold]) as local:
        for _ in range(rounds):
            [asked] = islice(source, 1)
            began = time.perf_counter()
            with _baseline("stream", spec) as alone:
                alone_s = time.perf_counter() - began
                found = await asyncio.to_thread(alone.ask, [asked])
                alone_s += float(json.loads(str(found["firsts_s"]))[0])
            await _until_empty(local.address, spec.name)
            [ours_s] = await _first_tokens(spec.name, local.address, [asked])
            ratios.append(ours_s / alone_s)
            say(f"  vLLM alone {alone_s:.1f} s, the service {ours_s:.1f} s, {ratios[-1]:.2f} times")
    say(f"  median {statistics.median(ratios):.2f} times")


async def _until_empty(address: str, model: str) -> None:
    from expart.generation.v1 import generation_service_pb2 as pb

    async with stubs(address, 1) as [stub], asyncio.timeout(TIMEOUT_S):
        state = None
        while state != pb.MODEL_STATE_SCALED_TO_ZERO:
            await asyncio.sleep(0.5)
            found = await stub.GetModel(pb.GetModelRequest(model=model), timeout=TIMEOUT_S)
            state = found.model.state
