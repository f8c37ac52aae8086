"""Images by digest over a real socket: PutImage, bounded stores, fronts that share a folder."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from grpc import StatusCode, aio

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from expart.generation.v1 import generation_service_pb2_grpc as pb_grpc
from services.generation.domain import Image
from services.rpc.status import error_from_rpc
from tests.contract.generation_front import RunningFront, generation_front
from tests.contract.held_engine import HeldEngine
from tests.contract.rpc_services import reason_of
from tests.unit.generation.builders import picture, scripted_spec, until

TIMEOUT_S = 30.0
RED, BLUE, GREEN = picture("red"), picture("blue"), picture("green")


@pytest.fixture
async def front() -> AsyncIterator[RunningFront]:
    async with generation_front(scripted_spec("m"), image_max_bytes=100_000) as running:
        yield running


def header(digest: str, size_bytes: int) -> pb.PutImageRequest:
    return pb.PutImageRequest(header=pb.ImageHeader(digest=digest, size_bytes=size_bytes))


def steps(image: Image, chunk_bytes: int = 30) -> Iterable[pb.PutImageRequest]:
    yield header(image.digest, len(image.data))
    for start in range(0, len(image.data), chunk_bytes):
        yield pb.PutImageRequest(chunk=image.data[start : start + chunk_bytes])


async def put(front: RunningFront, messages: Iterable[pb.PutImageRequest]) -> pb.PutImageResponse:
    return await front.stub.PutImage(iter(messages), timeout=TIMEOUT_S)


async def ask(front: RunningFront, **image: object) -> pb.GenerateExplanationResponse:
    request = pb.GenerateExplanationRequest(
        model="m", instruction="Explain.", image=content_pb2.Image(**image)
    )
    return await front.stub.GenerateExplanation(request, timeout=TIMEOUT_S)


async def test_an_image_is_put_once_and_named_from_then_on(front: RunningFront) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await ask(front, digest=RED.digest)
    assert caught.value.code() is StatusCode.NOT_FOUND
    error = error_from_rpc(caught.value)
    assert error.metadata == {"digest": RED.digest}
    assert reason_of(caught.value) == "IMAGE_NOT_FOUND"

    stored = await put(front, steps(RED))
    assert (stored.digest, stored.size_bytes, stored.already_stored) == (
        RED.digest,
        len(RED.data),
        False,
    )
    named, sent = await ask(front, digest=RED.digest), await ask(front, data=RED.data)
    assert named.text == sent.text
    assert named.completion.provenance.image_digest == RED.digest


async def test_an_image_that_is_stored_is_answered_after_its_header(front: RunningFront) -> None:
    await put(front, steps(RED))
    call = front.stub.PutImage(timeout=TIMEOUT_S)
    await call.write(header(RED.digest, len(RED.data)))
    # The stream is still open, and no chunk has been sent.
    stored = await call
    assert (stored.already_stored, stored.size_bytes) == (True, len(RED.data))


async def test_an_image_that_came_with_a_request_can_be_named_too(front: RunningFront) -> None:
    await ask(front, data=BLUE.data)
    assert (await ask(front, digest=BLUE.digest)).text
    assert (await put(front, steps(BLUE))).already_stored


async def test_an_image_that_was_refused_is_not_held(front: RunningFront) -> None:
    broken = b"\xff\xd8\xff no picture"
    digest = "sha256:" + hashlib.sha256(broken).hexdigest()
    for attempt in (ask(front, data=broken), put(front, steps(Image(broken, digest)))):
        with pytest.raises(aio.AioRpcError) as caught:
            await attempt
        assert reason_of(caught.value) == "IMAGE_INVALID"
    with pytest.raises(aio.AioRpcError) as caught:
        await ask(front, digest=digest)
    assert reason_of(caught.value) == "IMAGE_NOT_FOUND"


CHUNK = pb.PutImageRequest(chunk=RED.data)
HEADER = header(RED.digest, len(RED.data))
WRONG_UPLOADS = [
    ("nothing", [], "INVALID_REQUEST", "header"),
    ("chunk-first", [CHUNK], "INVALID_REQUEST", "header"),
    ("empty-step", [HEADER, pb.PutImageRequest()], "INVALID_REQUEST", "part"),
    ("two-headers", [HEADER, HEADER], "INVALID_REQUEST", "header"),
    ("too-few-bytes", [HEADER], "INVALID_REQUEST", "header.size_bytes"),
    ("too-many-bytes", [HEADER, CHUNK, CHUNK], "INVALID_REQUEST", "header.size_bytes"),
    (
        "other-bytes",
        [header(BLUE.digest, len(RED.data)), CHUNK],
        "INVALID_REQUEST",
        "header.digest",
    ),
    ("no-digest", [header("red", 3)], "INVALID_REQUEST", "header.digest"),
    ("no-size", [header(RED.digest, 0)], "INVALID_REQUEST", "header.size_bytes"),
    ("large", [header(RED.digest, 100_001)], "IMAGE_TOO_LARGE", "header.size_bytes"),
    (
        "large-chunk",
        [header(RED.digest, 100_000), pb.PutImageRequest(chunk=bytes(2**20 + 1))],
        "INVALID_REQUEST",
        "chunk",
    ),
]


@pytest.mark.parametrize(
    ("messages", "reason", "field"), [pytest.param(*row[1:], id=row[0]) for row in WRONG_UPLOADS]
)
async def test_a_wrong_upload_names_what_is_wrong_and_leaves_nothing(
    front: RunningFront, messages: list[pb.PutImageRequest], reason: str, field: str
) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await put(front, messages)
    assert caught.value.code() is StatusCode.INVALID_ARGUMENT
    assert reason_of(caught.value) == reason
    (violation,) = error_from_rpc(caught.value).violations
    assert violation.field == field
    assert not (await put(front, steps(RED))).already_stored


async def test_a_malformed_digest_in_a_request_is_the_callers_fault(front: RunningFront) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await ask(front, digest="sha256:" + "A" * 64)
    assert caught.value.code() is StatusCode.INVALID_ARGUMENT
    (violation,) = error_from_rpc(caught.value).violations
    assert violation.field == "image.digest"


async def test_the_store_is_bounded_and_keeps_what_was_used_last() -> None:
    room = len(RED.data) + len(BLUE.data)
    async with generation_front(scripted_spec("m"), image_store_max_bytes=room) as front:
        for image in (RED, BLUE):
            await put(front, steps(image))
        await ask(front, digest=RED.digest)
        await put(front, steps(GREEN))
        for image in (RED, GREEN):
            assert (await ask(front, digest=image.digest)).text
        with pytest.raises(aio.AioRpcError) as caught:
            await ask(front, digest=BLUE.digest)
        assert reason_of(caught.value) == "IMAGE_NOT_FOUND"


async def test_an_image_in_use_stays_however_many_come() -> None:
    spec = scripted_spec("m", per_token_s=60)
    async with generation_front(spec, image_store_max_bytes=1) as front:
        call = front.stub.StreamExplanation(
            pb.StreamExplanationRequest(
                model="m", instruction="Explain.", image=content_pb2.Image(data=RED.data)
            )
        )
        await call.read()
        for image in (BLUE, GREEN):
            await put(front, steps(image))
        other = front.stub.StreamExplanation(
            pb.StreamExplanationRequest(
                model="m", instruction="Explain.", image=content_pb2.Image(digest=RED.digest)
            )
        )
        await other.read()
        call.cancel()
        other.cancel()


async def test_requests_with_equal_pictures_hold_one_copy() -> None:
    engine = HeldEngine(scripted_spec("m"))
    async with generation_front(scripted_spec("m"), build=lambda _: engine) as front:
        asking = [asyncio.ensure_future(ask(front, data=RED.data)) for _ in range(3)]
        await until(lambda: len(engine.asked) == 3)
        images = [request.image for request in engine.asked]
        assert images[0] is images[1] is images[2]
        engine.may_go_on.set()
        await asyncio.gather(*asking)


async def test_uploads_are_bounded_by_number_and_a_cancelled_one_frees_its_place() -> None:
    async with generation_front(scripted_spec("m"), max_image_uploads_per_client=2) as front:
        held = [front.stub.PutImage() for _ in range(2)]
        for call, image in zip(held, (RED, BLUE), strict=True):
            await call.write(header(image.digest, len(image.data)))
        await until(lambda: front.front.uploads_in_flight == 2)
        with pytest.raises(aio.AioRpcError) as caught:
            await put(front, steps(GREEN))
        assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED
        held[0].cancel()
        await until(lambda: front.front.uploads_in_flight == 1)
        assert not (await put(front, steps(GREEN))).already_stored
        held[1].cancel()


async def test_uploads_are_bounded_by_the_bytes_that_they_announce() -> None:
    async with generation_front(
        scripted_spec("m"), image_max_bytes=1_000, image_max_bytes_in_flight=1_500
    ) as front:
        call = front.stub.PutImage()
        await call.write(header(RED.digest, 1_000))
        await until(lambda: front.front.uploads_in_flight == 1)
        with pytest.raises(aio.AioRpcError) as caught:
            await put(front, [header(BLUE.digest, 1_000)])
        assert caught.value.code() is StatusCode.RESOURCE_EXHAUSTED
        call.cancel()


async def test_an_upload_that_stops_is_ended() -> None:
    async with generation_front(scripted_spec("m"), idle_timeout_s=0.3) as front:
        call = front.stub.PutImage()
        await call.write(header(RED.digest, len(RED.data)))
        with pytest.raises(aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is StatusCode.DEADLINE_EXCEEDED
        assert front.front.uploads_in_flight == 0


async def test_fronts_share_what_is_put_through_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(
                generation_front(scripted_spec("m"), image_folder=folder)
            )
            for _ in range(2)
        ]
        await put(one, steps(RED))
        assert (await ask(two, digest=RED.digest)).text
        assert (await put(two, steps(RED))).already_stored


async def test_what_is_broken_in_the_folder_is_not_taken_for_the_image(tmp_path: Path) -> None:
    async with generation_front(scripted_spec("m"), image_folder=tmp_path) as front:
        file = tmp_path / RED.digest.removeprefix("sha256:")
        file.write_bytes(BLUE.data)
        with pytest.raises(aio.AioRpcError) as caught:
            await ask(front, digest=RED.digest)
        assert reason_of(caught.value) == "IMAGE_NOT_FOUND"
        assert not file.exists()


async def test_two_fronts_on_one_port_answer_for_each_others_images(tmp_path: Path) -> None:
    engines = [HeldEngine(scripted_spec("m")) for _ in range(2)]
    async with AsyncExitStack() as stack:
        port = 0
        for engine in engines:
            engine.may_go_on.set()
            front = await stack.enter_async_context(
                generation_front(
                    scripted_spec("m"),
                    build=lambda _, engine=engine: engine,
                    image_folder=tmp_path,
                    port=port,
                    reuse_port=True,
                )
            )
            port = int(front.address.rpartition(":")[2])
        await put(front, steps(RED))
        # The kernel gives every connection to one of the two: 60 times the same is out of the
        # question (2**-59).
        for _ in range(60):
            async with own_connection(front.address) as stub:
                request = pb.GenerateExplanationRequest(
                    model="m", instruction="Explain.", image=content_pb2.Image(digest=RED.digest)
                )
                assert (await stub.GenerateExplanation(request, timeout=TIMEOUT_S)).text
            if all(engine.asked for engine in engines):
                break
        assert all(engine.asked for engine in engines)


@asynccontextmanager
async def own_connection(address: str) -> AsyncIterator[pb_grpc.GenerationServiceStub]:
    # Channels of one process to one address would share a connection.
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    async with aio.insecure_channel(address, options=options) as channel:
        yield pb_grpc.GenerationServiceStub(channel)
