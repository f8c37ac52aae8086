"""What GenerationService refuses: the right code, exactly one ErrorInfo, one clear line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from google.rpc import error_details_pb2
from grpc import StatusCode, aio
from grpc_status import rpc_status

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from services.generation.catalog import ImageSpec, ScalingSpec
from services.generation.domain import ModelCondition, ModelState
from tests.contract.generation_front import RunningFront, generation_front
from tests.unit.generation.builders import picture, scripted_spec, until

TIMEOUT_S = 30.0
DIGEST = "sha256:" + "0" * 64


@pytest.fixture
async def front() -> AsyncIterator[RunningFront]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(
            generation_front(
                scripted_spec("ready", max_model_len=50),
                scripted_spec("loading"),
                scripted_spec("failed"),
                scripted_spec("looker").model_copy(update={"image": ImageSpec(required=True)}),
                arranged={
                    "loading": ModelCondition(ModelState.LOADING, "a replica is starting"),
                    "failed": ModelCondition(ModelState.FAILED, "config.json is missing"),
                },
                image_max_bytes=10_000,
                image_max_pixels=1_000,
            )
        )


def details(failure: aio.AioRpcError) -> tuple[error_details_pb2.ErrorInfo, list[str]]:
    """The one ErrorInfo, and the fields that BadRequest names."""
    status = rpc_status.from_call(failure)
    assert status is not None
    infos: list[error_details_pb2.ErrorInfo] = []
    fields: list[str] = []
    for detail in status.details:
        info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            infos.append(info)
        if detail.Unpack(bad_request):
            fields.extend(item.field for item in bad_request.field_violations)
    (info,) = infos
    assert info.domain == "expart"
    return info, fields


def case(**fields: object) -> dict[str, object]:
    return {"model": "ready", "instruction": "Explain.", **fields}


CASES = [
    ("no-model", case(model=""), StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", ["model"]),
    ("unknown-model", case(model="nope"), StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", []),
    ("unknown-adapter", case(adapter="nope"), StatusCode.NOT_FOUND, "MODEL_NOT_FOUND", []),
    (
        "blank-instruction",
        case(instruction=" \n"),
        StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        ["instruction"],
    ),
    (
        "endless-instruction",
        case(instruction="x" * 200_001),
        StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        ["instruction"],
    ),
    (
        "long-prompt",
        case(instruction="word " * 50),
        StatusCode.INVALID_ARGUMENT,
        "PROMPT_TOO_LONG",
        [],
    ),
    (
        "sampling",
        case(sampling=pb.SamplingParameters(temperature=3, top_k=-1)),
        StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        ["sampling.temperature", "sampling.top_k"],
    ),
    (
        "contradictory-sampling",
        case(sampling=pb.SamplingParameters(max_tokens=2, min_tokens=3)),
        StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        ["sampling.min_tokens"],
    ),
    (
        "request-id",
        case(request_id="line\nbreak"),
        StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        ["request_id"],
    ),
    ("lane", case(lane=7), StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST", ["lane"]),
    (
        "empty-image",
        case(image=content_pb2.Image()),
        StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        ["image"],
    ),
    (
        "broken-image",
        case(image=content_pb2.Image(data=b"\xff\xd8\xff no picture")),
        StatusCode.INVALID_ARGUMENT,
        "IMAGE_INVALID",
        ["image.data"],
    ),
    (
        "image-of-many-bytes",
        case(image=content_pb2.Image(data=bytes(10_001))),
        StatusCode.INVALID_ARGUMENT,
        "IMAGE_TOO_LARGE",
        ["image.data"],
    ),
    (
        "image-of-many-pixels",
        case(image=content_pb2.Image(data=picture(edge=32).data)),
        StatusCode.INVALID_ARGUMENT,
        "IMAGE_TOO_LARGE",
        ["image.data"],
    ),
    (
        "image-by-digest",
        case(image=content_pb2.Image(digest=DIGEST)),
        StatusCode.NOT_FOUND,
        "IMAGE_NOT_FOUND",
        [],
    ),
    (
        "no-image",
        case(model="looker"),
        StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
        ["image"],
    ),
    ("loading", case(model="loading"), StatusCode.UNAVAILABLE, "MODEL_LOADING", []),
    ("failed", case(model="failed"), StatusCode.UNAVAILABLE, "MODEL_FAILED", []),
]


@pytest.mark.parametrize(
    ("fields", "code", "reason", "violations"),
    [pytest.param(*row[1:], id=row[0]) for row in CASES],
)
async def test_a_refusal_has_its_code_and_exactly_one_reason(
    front: RunningFront,
    fields: dict[str, object],
    code: StatusCode,
    reason: str,
    violations: list[str],
) -> None:
    with pytest.raises(aio.AioRpcError) as unary:
        await front.stub.GenerateExplanation(
            pb.GenerateExplanationRequest(**fields), timeout=TIMEOUT_S
        )
    with pytest.raises(aio.AioRpcError) as stream:
        async for _ in front.stub.StreamExplanation(
            pb.StreamExplanationRequest(**fields), timeout=TIMEOUT_S
        ):
            pass
    for caught in (unary, stream):
        info, fields_named = details(caught.value)
        assert caught.value.code() == code
        assert info.reason == reason
        assert fields_named == violations
        message = caught.value.details()
        assert message
        assert "\n" not in message


async def test_every_wrong_field_is_named_at_once(front: RunningFront) -> None:
    request = pb.GenerateExplanationRequest(
        request_id="x" * 129, sampling=pb.SamplingParameters(max_tokens=0, stop=[""])
    )
    with pytest.raises(aio.AioRpcError) as caught:
        await front.stub.GenerateExplanation(request, timeout=TIMEOUT_S)
    assert details(caught.value)[1] == [
        "request_id",
        "model",
        "instruction",
        "sampling.max_tokens",
        "sampling.stop[0]",
    ]


async def test_a_failed_model_is_listed_with_its_reason(front: RunningFront) -> None:
    answer = await front.stub.GetModel(pb.GetModelRequest(model="failed"), timeout=TIMEOUT_S)
    assert answer.model.state == pb.MODEL_STATE_FAILED
    assert answer.model.state_reason == "config.json is missing"


async def test_getting_an_unknown_model_names_those_there_are(front: RunningFront) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await front.stub.GetModel(pb.GetModelRequest(model="nope"), timeout=TIMEOUT_S)
    assert caught.value.code() == StatusCode.NOT_FOUND
    assert (
        caught.value.details() == "no model named 'nope'; there are failed, loading, looker, ready"
    )
    assert details(caught.value)[0].metadata["model"] == "nope"


async def test_too_many_requests_are_refused_with_a_delay_and_the_others_are_answered() -> None:
    spec = scripted_spec("busy", first_token_s=60).model_copy(
        update={
            "scaling": ScalingSpec(
                target_ongoing_requests=1, max_ongoing_requests=2, max_queued_requests=1
            )
        }
    )
    async with generation_front(spec) as front:
        request = pb.GenerateExplanationRequest(model="busy", instruction="Explain.")
        # Two that a replica takes, one that may wait, and one too many.
        calls = [front.stub.GenerateExplanation(request) for _ in range(4)]
        answers = [asyncio.ensure_future(call) for call in calls]
        done, waiting = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        (refused,) = done
        failure = refused.exception()
        assert isinstance(failure, aio.AioRpcError)
        assert failure.code() == StatusCode.RESOURCE_EXHAUSTED
        assert details(failure)[0].reason == "OVERLOADED"
        status = rpc_status.from_call(failure)
        assert status is not None
        retry = error_details_pb2.RetryInfo()
        assert any(detail.Unpack(retry) for detail in status.details)
        assert retry.retry_delay.ToNanoseconds() > 0
        await until(lambda: front.runners["busy"].running_count() == 2)
        for call in calls:
            call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await until(lambda: front.runners["busy"].running_count() == 0)


async def test_image_bytes_in_flight_are_bounded() -> None:
    red, blue = picture("red").data, picture("blue").data
    spec = scripted_spec("busy", first_token_s=60)

    def request(data: bytes) -> pb.GenerateExplanationRequest:
        return pb.GenerateExplanationRequest(
            model="busy", instruction="Explain.", image=content_pb2.Image(data=data)
        )

    async with generation_front(spec, image_max_bytes_in_flight=len(red) + 1) as front:
        # One picture takes its room once, however many ask about it.
        calls = [front.stub.GenerateExplanation(request(red)) for _ in range(2)]
        waiting = [asyncio.ensure_future(call) for call in calls]
        await until(lambda: front.runners["busy"].running_count() == 2)
        with pytest.raises(aio.AioRpcError) as caught:
            await front.stub.GenerateExplanation(request(blue), timeout=TIMEOUT_S)
        assert details(caught.value)[0].reason == "OVERLOADED"
        for call in calls:
            call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await until(lambda: front.runners["busy"].running_count() == 0)
        call = front.stub.GenerateExplanation(request(blue))
        waiting = [asyncio.ensure_future(call)]
        await until(lambda: front.runners["busy"].running_count() == 1)
        call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
