"""A stack whose watchdogs are impatient, what its processes are, and a network that goes silent."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from grpc import StatusCode, aio

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.core.errors import ServiceError
from services.generation.catalog import ModelSpec
from services.generation.local import LocalGeneration
from services.generation.settings import GenerationSettings, local_ray_environment
from services.rpc.status import error_from_rpc

PROJECT = Path(__file__).parents[2]
# Nothing here takes so long; it only keeps a fault of ours from stopping the whole suite.
TIMEOUT_S = 120.0
RELEASE_S = 1.0
STANDSTILL_S = 4.0
STATE_INTERVAL_S = 0.2
DRAIN_S = 8.0

IMPATIENT = GenerationSettings(
    state_interval_s=STATE_INTERVAL_S,
    health_check_period_s=0.5,
    health_check_timeout_s=2.0,
    replica_drain_s=DRAIN_S,
    release_s=RELEASE_S,
    standstill_s=STANDSTILL_S,
    keepalive_s=1.0,
    keepalive_timeout_s=1.0,
)


class Driver:
    """Asks a second driver of the stack's Ray, see generation_driver."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    async def running(self, model: str) -> int:
        return int(str(await self._ask("running", model)))

    async def calls(self) -> int:
        return int(str(await self._ask("calls")))

    async def deploy(self, spec: ModelSpec) -> None:
        await self._ask("deploy", spec.model_dump_json(exclude_unset=True))

    async def until_idle(self, model: str, within_s: float) -> None:
        async with asyncio.timeout(within_s):
            while await self.running(model) > 0:  # noqa: ASYNC110 - another process is asked
                await asyncio.sleep(0.05)

    async def _ask(self, do: str, of: str = "") -> object:
        return await asyncio.to_thread(self._exchange, json.dumps({"do": do, "of": of}))

    def _exchange(self, line: str) -> object:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def driver_of(local: LocalGeneration) -> Iterator[Driver]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.generation_driver", local.ray_address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env=local_ray_environment(local.ray_token),
    ) as process:
        yield Driver(process)
        assert process.stdin is not None
        process.stdin.close()


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack.

    Attributes:
        local: The stack.
        driver: Sees what callers cannot.
        log_path: Where everything that its processes print goes.
    """

    local: LocalGeneration
    driver: Driver
    log_path: Path

    def front(self) -> psutil.Process:
        return self._process("ServeReplica:front:")

    def replica(self, model: str) -> psutil.Process:
        return self._process(f"ServeReplica:model-{model}:")

    def _process(self, title: str) -> psutil.Process:
        (found,) = (
            process
            for process in psutil.Process(self.local.process_id).children(recursive=True)
            if title in _title_of(process)
        )
        return found


def _title_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline()[:1])
    except psutil.Error:
        return ""


@contextmanager
def silenced(process: psutil.Process) -> Iterator[None]:
    """Stops a process as a machine that hangs would: its connections stay, nothing answers."""
    process.suspend()
    try:
        yield
    finally:
        if process.is_running():
            process.resume()


@contextmanager
def proxy_to(address: str) -> Iterator[tuple[str, psutil.Process]]:
    """Runs a TCP proxy in a process of its own, which a test can stop; gives its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.tcp_proxy", address],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), psutil.Process(process.pid)
        finally:
            os.kill(process.pid, signal.SIGKILL)


def whole(
    model: str, instruction: str = "Explain it.", max_tokens: int = 50
) -> pb.GenerateExplanationRequest:
    return pb.GenerateExplanationRequest(
        model=model,
        instruction=instruction,
        sampling=pb.SamplingParameters(max_tokens=max_tokens),
    )


def streamed(
    model: str, instruction: str = "Explain it.", max_tokens: int = 50, min_tokens: int = 0
) -> pb.StreamExplanationRequest:
    return pb.StreamExplanationRequest(
        model=model,
        instruction=instruction,
        sampling=pb.SamplingParameters(max_tokens=max_tokens, min_tokens=min_tokens),
    )


async def failure_of(call: object) -> aio.AioRpcError:
    """Waits for a call, or for the rest of a stream, which must fail."""
    try:
        if isinstance(call, aio.UnaryStreamCall):
            while await call.read() is not aio.EOF:
                pass
        else:
            await call  # type: ignore[misc]
    except aio.AioRpcError as failure:
        return failure
    pytest.fail("the call succeeded")


def error_of(failure: aio.AioRpcError) -> ServiceError:
    return error_from_rpc(failure)


async def answered_again(
    stub: pb_grpc.GenerationServiceStub, model: str
) -> pb.GenerateExplanationResponse:
    """Asks a model until it answers and counts as ready; meanwhile it may only be UNAVAILABLE."""
    codes: set[StatusCode] = set()
    async with asyncio.timeout(TIMEOUT_S):
        while codes <= {StatusCode.UNAVAILABLE}:
            try:
                answer = await stub.GenerateExplanation(
                    whole(model, max_tokens=1), timeout=TIMEOUT_S
                )
                # What the front knows is a moment old: it may not have seen yet that one was lost.
                await asyncio.sleep(2 * STATE_INTERVAL_S)
                await state_of(stub, model, pb.MODEL_STATE_READY)
            except aio.AioRpcError as failure:
                codes.add(failure.code())
                await asyncio.sleep(0.2)
            else:
                return answer
    pytest.fail(f"answered with {codes}")


async def state_of(
    stub: pb_grpc.GenerationServiceStub, name: str, expected: pb.ModelState
) -> pb.Model:
    """Waits for a model to come into a state."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            model = (await stub.GetModel(pb.GetModelRequest(model=name))).model
            if model.state == expected:
                return model
            await asyncio.sleep(0.1)


async def until_ended(process: psutil.Process, within_s: float = TIMEOUT_S) -> None:
    """Waits for a process to end that must."""
    async with asyncio.timeout(within_s):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
