"""Repeating a request_id over a real socket: one generation, the same result, nobody else's."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from grpc import StatusCode, aio

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from services.core.errors import EngineUnavailableError
from services.generation.domain import TextDelta
from tests.contract.generation_front import RunningFront, generation_front
from tests.contract.held_engine import HeldEngine
from tests.contract.rpc_services import reason_of, refused
from tests.unit.generation.builders import picture, scripted_spec, until

TIMEOUT_S = 30.0
ANNA, BEN = "a" * 32, "b" * 32


@dataclass(frozen=True)
class Held:
    """A front with one engine that is held up until it is let go on."""

    front: RunningFront
    engine: HeldEngine

    def whole(self, timeout: float = TIMEOUT_S, token: str = "", **fields: object) -> aio.Call:
        return self.front.stub.GenerateExplanation(
            pb.GenerateExplanationRequest(**body(**fields)), timeout=timeout, metadata=auth(token)
        )

    def streamed(self, timeout: float = TIMEOUT_S, **fields: object) -> aio.Call:
        return self.front.stub.StreamExplanation(
            pb.StreamExplanationRequest(**body(**fields)), timeout=timeout
        )


def body(**fields: object) -> dict[str, object]:
    return {"request_id": "one", "model": "held", "instruction": "Explain.", **fields}


def auth(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")] if token else []


async def text_of(call: aio.Call) -> tuple[str, pb.Completion]:
    text, completion = "", pb.Completion()
    while (event := await call.read()) is not aio.EOF:
        text += event.text_delta
        completion.MergeFrom(event.completion)
    return text, completion


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    engine = HeldEngine(scripted_spec("held"))
    async with generation_front(scripted_spec("held"), build=lambda _: engine) as front:
        yield Held(front, engine)


async def test_a_repeated_request_has_the_same_result_and_costs_no_second_generation(
    held: Held,
) -> None:
    held.engine.may_go_on.set()
    # Chance would give another answer: the seed is drawn anew for every generation.
    sampling = pb.SamplingParameters(temperature=1.0)
    first = await held.whole(sampling=sampling)
    assert await held.whole(sampling=sampling) == first
    text, completion = await text_of(held.streamed(sampling=sampling))
    assert (text, completion) == (first.text, first.completion)
    assert len(held.engine.asked) == 1


async def test_a_repeated_request_joins_the_generation_that_is_running(held: Held) -> None:
    first = held.streamed()
    start = (await first.read()).text_delta
    second, third = held.streamed(), asyncio.ensure_future(held.whole())
    # What came before it joined, at once and in one piece.
    assert (await second.read()).text_delta == start
    held.engine.may_go_on.set()
    rest, completion = await text_of(first)
    assert await text_of(second) == (rest, completion)
    whole = await third
    assert (whole.text, whole.completion) == (start + rest, completion)
    assert len(held.engine.asked) == 1


@pytest.mark.parametrize("request_id", ["", "one"])
async def test_a_call_that_is_cancelled_on_the_replica_s_side_is_answered(
    held: Held, request_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stream(*_: object) -> AsyncIterator[TextDelta]:
        yield TextDelta("The")
        raise asyncio.CancelledError

    async def explain(*_: object) -> None:
        raise asyncio.CancelledError

    # As Ray Serve may; a caller without a deadline would wait for ever.
    monkeypatch.setattr(held.front.router, "stream", stream)
    monkeypatch.setattr(held.front.router, "explain", explain)
    cut = await refused(text_of(held.streamed(request_id=request_id)))
    assert (cut.code(), reason_of(cut)) == (StatusCode.ABORTED, "GENERATION_ABORTED")
    lost = await refused(held.whole(request_id=request_id))
    assert (lost.code(), reason_of(lost)) == (StatusCode.UNAVAILABLE, "ENGINE_UNAVAILABLE")


async def test_a_stream_joins_a_whole_answer(held: Held) -> None:
    whole = asyncio.ensure_future(held.whole())
    await until(lambda: len(held.engine.asked) == 1)
    stream = asyncio.ensure_future(text_of(held.streamed()))
    held.engine.may_go_on.set()
    answer = await whole
    assert await stream == (answer.text, answer.completion)
    assert len(held.engine.asked) == 1


async def test_the_generation_goes_on_for_those_who_joined_when_the_first_caller_leaves(
    held: Held,
) -> None:
    first = held.streamed()
    start = (await first.read()).text_delta
    second = held.streamed()
    await second.read()
    first.cancel()
    held.engine.may_go_on.set()
    rest, completion = await text_of(second)
    assert start + rest
    assert completion.usage.generated_token_count > 1
    assert len(held.engine.asked) == 1


async def test_the_generation_ends_when_all_have_left(held: Held) -> None:
    calls = [held.streamed(), held.streamed()]
    for call in calls:
        await call.read()
    assert held.front.runners["held"].running_count() == 1
    for call in calls:
        call.cancel()
    await until(lambda: held.front.runners["held"].running_count() == 0)
    # What was cancelled is not remembered: the same id may be used for something else.
    held.engine.may_go_on.set()
    assert (await held.whole(instruction="Another.")).text


@pytest.mark.parametrize(
    "changed",
    [
        {"instruction": "Explain!"},
        {"system_text": "Be brief."},
        {"sampling": pb.SamplingParameters(max_tokens=5)},
        # The default, but said aloud: what is left open follows the catalog, this does not.
        {"sampling": pb.SamplingParameters(temperature=0.0)},
        {"image": content_pb2.Image(data=picture().data)},
    ],
    ids=lambda changed: next(iter(changed)),
)
@pytest.mark.parametrize("is_running", [True, False], ids=["running", "done"])
async def test_another_body_under_the_same_id_is_refused(
    held: Held, changed: dict[str, object], is_running: bool
) -> None:
    first = asyncio.ensure_future(held.whole())
    await until(lambda: len(held.engine.asked) == 1)
    if not is_running:
        held.engine.may_go_on.set()
        await first
    with pytest.raises(aio.AioRpcError) as caught:
        await held.whole(**changed)
    assert caught.value.code() is StatusCode.ALREADY_EXISTS
    assert reason_of(caught.value) == "REQUEST_ID_CONFLICT"
    with pytest.raises(aio.AioRpcError) as caught:
        await text_of(held.streamed(**changed))
    assert caught.value.code() is StatusCode.ALREADY_EXISTS
    held.engine.may_go_on.set()
    assert (await first).text


async def test_the_lane_and_the_way_the_picture_is_sent_make_no_other_body(held: Held) -> None:
    held.engine.may_go_on.set()
    image = picture()
    first = await held.whole(image=content_pb2.Image(data=image.data), lane=pb.LANE_SWEEP)
    again = await held.whole(image=content_pb2.Image(digest=image.digest))
    assert again == first
    assert len(held.engine.asked) == 1


async def test_failures_are_told_to_all_who_joined_and_not_remembered(held: Held) -> None:
    held.engine.error = EngineUnavailableError("lost")
    calls = [asyncio.ensure_future(held.whole()) for _ in range(3)]
    await until(lambda: len(held.engine.asked) == 1)
    held.engine.may_go_on.set()
    for failed in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(failed, aio.AioRpcError)
        # It had produced a token.
        assert reason_of(failed) == "GENERATION_ABORTED"
    held.engine.error = None
    assert (await held.whole()).text
    assert len(held.engine.asked) == 2


async def test_the_first_callers_deadline_is_not_that_of_those_who_joined(held: Held) -> None:
    first = asyncio.ensure_future(held.whole(timeout=3))
    await until(lambda: len(held.engine.asked) == 1)
    second = asyncio.ensure_future(held.whole())
    failed = (await asyncio.gather(first, return_exceptions=True))[0]
    assert isinstance(failed, aio.AioRpcError)
    assert failed.code() is StatusCode.DEADLINE_EXCEEDED
    # Its generation ended with it, and a new one has begun for the other.
    await until(lambda: len(held.engine.asked) == 2)
    held.engine.may_go_on.set()
    assert (await second).text


async def test_calls_without_an_id_are_never_joined(held: Held) -> None:
    held.engine.may_go_on.set()
    for _ in range(2):
        assert (await held.whole(request_id="")).text
    assert len(held.engine.asked) == 2


async def test_no_client_reads_anothers_result_by_its_id(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(f"anna {ANNA}\nben {BEN}\n")
    tokens.chmod(0o600)
    engine = HeldEngine(scripted_spec("held"))
    engine.may_go_on.set()
    async with generation_front(
        scripted_spec("held"), build=lambda _: engine, token_file=tokens
    ) as front:
        held = Held(front, engine)
        assert (await held.whole(token=ANNA)).text
        # Neither her result, nor a word about whether she used the id.
        assert (await held.whole(token=BEN, instruction="Another.")).text
        assert len(engine.asked) == 2
        assert (await held.whole(token=ANNA)).text
        assert len(engine.asked) == 2


async def test_results_are_forgotten_within_their_bounds() -> None:
    engine = HeldEngine(scripted_spec("held"))
    engine.may_go_on.set()
    async with generation_front(
        scripted_spec("held"), build=lambda _: engine, replay_max_entries=2
    ) as front:
        held = Held(front, engine)
        for request_id in ("one", "two", "three"):
            await held.whole(request_id=request_id)
        await held.whole(request_id="three")
        assert len(engine.asked) == 3
        await held.whole(request_id="one")
        assert len(engine.asked) == 4
