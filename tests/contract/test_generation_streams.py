"""Streams over a real socket: silent ones stay, slow readers cost nobody but themselves."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from grpc import StatusCode, aio

from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.generation.domain import (
    EngineRequest,
    EngineResult,
    FinishReason,
    Timings,
    TokenUsage,
)
from services.generation.engines.scripted import ScriptedEngine
from tests.contract.generation_front import RunningFront, generation_front
from tests.contract.held_engine import HeldEngine
from tests.unit.generation.builders import scripted_spec, until

TIMEOUT_S = 30.0
# More than gRPC takes from a server for a client that does not read (64 KiB, then what it has
# measured of the connection).
PIECES, PIECE = 400, "word " * 5_000


class VerboseEngine(ScriptedEngine):
    """Writes ten megabytes, piece by piece."""

    async def generate(self, request: EngineRequest) -> AsyncGenerator[str | EngineResult, None]:
        for _ in range(PIECES):
            yield PIECE
            await asyncio.sleep(0)
        yield EngineResult(
            finish_reason=FinishReason.STOP,
            usage=TokenUsage(1, 0, PIECES),
            timings=Timings(0.0, 0.0, 0.0),
            sampling=request.sampling,
        )


KINDS = {"verbose": VerboseEngine, "other": ScriptedEngine}


def streamed(model: str) -> pb.StreamExplanationRequest:
    return pb.StreamExplanationRequest(model=model, instruction="Explain.")


def whole(model: str) -> pb.GenerateExplanationRequest:
    return pb.GenerateExplanationRequest(model=model, instruction="Explain.")


def own_channel(front: RunningFront, **options: int) -> aio.Channel:
    named = [(name.replace("__", "."), value) for name, value in options.items()]
    fixed = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", 64 * 2**20),
    ]
    return aio.insecure_channel(front.address, options=[*fixed, *named])


async def test_a_reader_that_stops_reading_holds_up_neither_its_model_nor_other_readers() -> None:
    specs = [scripted_spec("verbose"), scripted_spec("other")]
    async with (
        generation_front(*specs, build=lambda spec: KINDS[spec.name](spec)) as front,
        own_channel(front) as channel,
    ):
        call = pb_grpc.GenerationServiceStub(channel).StreamExplanation(streamed("verbose"))
        # The generation ends, and its place is free, though nobody has taken any of it.
        await until(lambda: front.front.running_count("verbose") == 1)
        await until(lambda: front.front.running_count("verbose") == 0)
        assert front.front.calls_in_flight == 1
        for model in ("other", "verbose"):
            answer = await front.stub.GenerateExplanation(whole(model), timeout=TIMEOUT_S)
            assert answer.text
        # Nothing is lost, and what was not taken in time has been merged.
        deltas = [event.text_delta async for event in call]
        assert "".join(deltas) == PIECE * PIECES
        assert len(deltas) < PIECES / 2


async def test_a_reader_that_never_reads_on_is_ended() -> None:
    async with (
        generation_front(
            scripted_spec("verbose"), build=VerboseEngine, idle_timeout_s=0.5
        ) as front,
        own_channel(front) as channel,
    ):
        call = pb_grpc.GenerationServiceStub(channel).StreamExplanation(streamed("verbose"))
        await until(lambda: front.front.calls_in_flight == 1)
        await until(lambda: front.front.calls_in_flight == 0)
        with pytest.raises(aio.AioRpcError) as caught:
            async for _ in call:
                pass
        assert caught.value.code() is StatusCode.DEADLINE_EXCEEDED


async def test_a_long_silence_is_no_reason_to_cut_a_client_that_pings() -> None:
    engine = HeldEngine(scripted_spec("m"))
    async with (
        generation_front(scripted_spec("m"), build=lambda _: engine, keepalive_s=1) as front,
        # gRPC pings once a second at most. A server with gRPC's own settings answers the fourth
        # such ping by GOAWAY, too_many_pings.
        own_channel(
            front,
            grpc__keepalive_time_ms=100,
            grpc__keepalive_timeout_ms=1_000,
            grpc__http2__max_pings_without_data=0,
        ) as channel,
    ):
        call = pb_grpc.GenerationServiceStub(channel).StreamExplanation(streamed("m"))
        assert (await call.read()).text_delta
        await asyncio.sleep(5.5)
        engine.may_go_on.set()
        kinds_of_events = []
        while (event := await call.read()) is not aio.EOF:
            kinds_of_events.append(event.WhichOneof("event"))
        assert kinds_of_events[-1] == "completion"
