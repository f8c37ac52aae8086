"""GenerationService over a real socket: answers, provenance, streams, models, health."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from services.generation.domain import ModelCondition, ModelState
from tests.contract.generation_front import RunningFront, generation_front
from tests.unit.generation.builders import picture, scripted_spec, until

SERVICE = "expart.generation.v1.GenerationService"
TIMEOUT_S = 30.0
# A word a minute: such a generation ends only by being cancelled.
SLOW = scripted_spec("slow", per_token_s=60)


@pytest.fixture
async def front() -> AsyncIterator[RunningFront]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(
            generation_front(
                scripted_spec("b-model", max_model_len=500), scripted_spec("a-model"), SLOW
            )
        )


def whole(model: str = "a-model", **fields: object) -> pb.GenerateExplanationRequest:
    values = {"instruction": "Explain the composition.", **fields}
    return pb.GenerateExplanationRequest(model=model, **values)


def streamed(model: str = "a-model", **fields: object) -> pb.StreamExplanationRequest:
    values = {"instruction": "Explain the composition.", **fields}
    return pb.StreamExplanationRequest(model=model, **values)


async def test_an_answer_says_what_really_ran(front: RunningFront) -> None:
    image = picture()
    request = whole(
        request_id="question-1",
        image=content_pb2.Image(data=image.data),
        sampling=pb.SamplingParameters(max_tokens=7, top_p=0.5, stop=["END"]),
    )
    answer = await front.stub.GenerateExplanation(request, timeout=TIMEOUT_S)
    completion = answer.completion

    assert len(answer.text.split()) == 7
    assert completion.request_id == "question-1"
    assert completion.finish_reason == pb.FINISH_REASON_LENGTH
    # The instruction's three words, and 16 tokens for the picture.
    assert completion.usage.prompt_token_count == 3 + 16
    assert completion.usage.image_token_count == 16
    assert completion.usage.generated_token_count == 7
    origin = completion.provenance
    assert (origin.model, origin.engine, origin.adapter) == ("a-model", "scripted", "")
    assert origin.revision.startswith("sha256:")
    assert origin.image_digest == image.digest
    assert origin.sampling.max_tokens == 7
    assert origin.sampling.top_p == 0.5
    assert origin.sampling.stop == ["END"]
    # Defaults are filled in, and named.
    assert origin.sampling.HasField("temperature")
    assert origin.sampling.repetition_penalty == 1.0
    # Greedy: no chance, no seed.
    assert not origin.sampling.HasField("seed")
    assert completion.truncated
    times = completion.timings
    parts = (times.admission_duration, times.queue_duration, times.prefill_duration)
    first_token_ns = sum(part.ToNanoseconds() for part in parts)
    # Each is rounded to a nanosecond.
    assert abs(times.first_token_duration.ToNanoseconds() - first_token_ns) <= 3
    whole_ns = first_token_ns + times.decode_duration.ToNanoseconds()
    assert times.total_duration.ToNanoseconds() >= whole_ns > 0


async def test_an_answer_that_ends_by_itself_is_not_truncated(front: RunningFront) -> None:
    first = await front.stub.GenerateExplanation(whole(), timeout=TIMEOUT_S)
    stop = first.text.split()[2]
    answer = await front.stub.GenerateExplanation(
        whole(sampling=pb.SamplingParameters(stop=[stop])), timeout=TIMEOUT_S
    )
    assert answer.completion.finish_reason == pb.FINISH_REASON_STOP
    assert not answer.completion.truncated


async def test_a_drawn_seed_is_reported_and_gives_the_answer_again(front: RunningFront) -> None:
    first = await front.stub.GenerateExplanation(
        whole(sampling=pb.SamplingParameters(temperature=1.0)), timeout=TIMEOUT_S
    )
    used = first.completion.provenance.sampling
    assert used.HasField("seed")
    again = await front.stub.GenerateExplanation(whole(sampling=used), timeout=TIMEOUT_S)
    assert again.text == first.text


async def test_a_request_without_an_id_is_given_one(front: RunningFront) -> None:
    first = await front.stub.GenerateExplanation(whole(), timeout=TIMEOUT_S)
    second = await front.stub.GenerateExplanation(whole(), timeout=TIMEOUT_S)
    assert first.completion.request_id
    assert first.completion.request_id != second.completion.request_id


async def test_a_stream_is_the_whole_answer_in_pieces_and_one_completion(
    front: RunningFront,
) -> None:
    answer = await front.stub.GenerateExplanation(whole(request_id="one"), timeout=TIMEOUT_S)
    events = [
        event
        async for event in front.stub.StreamExplanation(
            streamed(request_id="another"), timeout=TIMEOUT_S
        )
    ]
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds[-1] == "completion"
    assert set(kinds[:-1]) == {"text_delta"}
    assert "".join(event.text_delta for event in events[:-1]) == answer.text
    assert all(event.text_delta for event in events[:-1])
    assert events[-1].completion.provenance == answer.completion.provenance
    assert events[-1].completion.usage == answer.completion.usage


async def test_another_picture_gives_another_answer(front: RunningFront) -> None:
    texts = {
        (
            await front.stub.GenerateExplanation(
                whole(image=content_pb2.Image(data=picture(colour).data)), timeout=TIMEOUT_S
            )
        ).text
        for colour in ("red", "blue")
    }
    assert len(texts) == 2


async def test_a_cancelled_stream_frees_its_place(front: RunningFront) -> None:
    call = front.stub.StreamExplanation(streamed("slow"))
    assert (await call.read()).text_delta
    assert front.runners["slow"].running_count() == 1
    call.cancel()
    await until(lambda: front.runners["slow"].running_count() == 0)


async def test_a_cancelled_whole_answer_frees_its_place(front: RunningFront) -> None:
    call = front.stub.GenerateExplanation(whole("slow"))
    sending = asyncio.ensure_future(call)
    await until(lambda: front.runners["slow"].running_count() == 1)
    call.cancel()
    await until(lambda: front.runners["slow"].running_count() == 0)
    with pytest.raises(asyncio.CancelledError):
        await sending


async def test_a_deadline_ends_the_generation_too(front: RunningFront) -> None:
    call = front.stub.StreamExplanation(streamed("slow"), timeout=0.5)
    with pytest.raises(aio.AioRpcError) as caught:
        async for _ in call:
            pass
    assert caught.value.code() == StatusCode.DEADLINE_EXCEEDED
    await until(lambda: front.runners["slow"].running_count() == 0)


async def test_a_closed_channel_frees_what_it_was_waiting_for(front: RunningFront) -> None:
    from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
    from services.rpc.channel import open_channel

    async with open_channel(front.address) as channel:
        call = pb_grpc.GenerationServiceStub(channel).StreamExplanation(streamed("slow"))
        await call.read()
    await until(lambda: front.runners["slow"].running_count() == 0)


async def test_models_are_listed_by_name_with_their_state(front: RunningFront) -> None:
    answer = await front.stub.ListModels(pb.ListModelsRequest(), timeout=TIMEOUT_S)
    assert [model.name for model in answer.models] == ["a-model", "b-model", "slow"]
    second = answer.models[1]
    assert second.state == pb.MODEL_STATE_READY
    assert (second.source, second.engine) == ("local", "scripted")
    assert second.max_context_token_count == 500
    assert second.ready_replica_count == 1
    assert second.revision.startswith("sha256:")
    got = await front.stub.GetModel(pb.GetModelRequest(model="b-model"), timeout=TIMEOUT_S)
    assert got.model == second


@pytest.mark.parametrize("name", ["", SERVICE, "a-model", "slow"])
async def test_health_is_told_for_the_server_the_service_and_every_model(
    front: RunningFront, name: str
) -> None:
    health = health_pb2_grpc.HealthStub(front.channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(service=name), timeout=TIMEOUT_S)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_model_that_is_lost_stops_serving_and_the_others_go_on(front: RunningFront) -> None:
    health = health_pb2_grpc.HealthStub(front.channel)
    front.router.arranged = {"a-model": ModelCondition(ModelState.LOADING, "a replica starts")}
    watch = health.Watch(health_pb2.HealthCheckRequest(service="a-model"), timeout=TIMEOUT_S)
    async for answer in watch:
        if answer.status == health_pb2.HealthCheckResponse.NOT_SERVING:
            break
    other = await health.Check(health_pb2.HealthCheckRequest(service="b-model"), timeout=TIMEOUT_S)
    assert other.status == health_pb2.HealthCheckResponse.SERVING
    assert (await front.stub.GenerateExplanation(whole("b-model"), timeout=TIMEOUT_S)).text


async def test_the_service_describes_itself(front: RunningFront) -> None:
    reflection = reflection_pb2_grpc.ServerReflectionStub(front.channel)
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    call = reflection.ServerReflectionInfo(iter([asked]), timeout=TIMEOUT_S)
    answer = await call.read()
    assert SERVICE in {item.name for item in answer.list_services_response.service}
