"""Pictures over the wire: every kind is answered, and a hostile one costs a refusal and no more."""

import asyncio

import pytest
from grpc import StatusCode, aio
from PIL import Image as Pillow

from expart.common.v1 import content_pb2
from expart.generation.v1 import generation_service_pb2 as pb
from services.core.errors import ImageInvalidError, ImageTooLargeError, ServiceError
from services.generation.catalog import ImageSpec
from services.rpc.status import error_from_rpc
from tests.contract.generation_front import RunningFront, generation_front
from tests.fuzz.hostile_images import encode, honest_images, jpeg_with_segments
from tests.unit.generation.builders import picture, scripted_spec

TIMEOUT_S = 60.0


async def asked(front: RunningFront, data: bytes, model: str = "a-model") -> str:
    request = pb.GenerateExplanationRequest(
        model=model, instruction="Explain.", image=content_pb2.Image(data=data)
    )
    answer = await front.stub.GenerateExplanation(request, timeout=TIMEOUT_S)
    return answer.text


async def refused(front: RunningFront, data: bytes, model: str = "a-model") -> ServiceError:
    with pytest.raises(aio.AioRpcError) as caught:
        await asked(front, data, model)
    assert caught.value.code() is StatusCode.INVALID_ARGUMENT
    return error_from_rpc(caught.value)


async def test_every_format_is_taken() -> None:
    async with generation_front(scripted_spec("a-model")) as front:
        for data in honest_images().values():
            assert await asked(front, data)


async def test_others_are_answered_while_a_hostile_picture_is_looked_at() -> None:
    # Millions of empty segments: seconds of work for whoever reads them, and for nobody else.
    hostile = jpeg_with_segments(b"\xff\xe3\x00\x02", 4_000_000)
    async with generation_front(scripted_spec("a-model")) as front:
        looking = asyncio.create_task(refused(front, hostile))
        answered = 0
        while not looking.done():
            assert await asked(front, picture().data)
            answered += 1
        error = await looking
    assert isinstance(error, ImageInvalidError)
    assert error.message == "the image takes too much computation to be decoded"
    assert answered > 10  # one, if the front itself had looked


async def test_an_address_is_not_fetched_but_refused() -> None:
    async with generation_front(scripted_spec("a-model")) as front:
        error = await refused(front, b"http://127.0.0.1/artwork.png")
    assert isinstance(error, ImageInvalidError)
    assert "no JPEG, PNG, WebP, GIF or TIFF" in error.message


async def test_a_shape_beyond_the_services_limit_is_refused() -> None:
    async with generation_front(scripted_spec("a-model"), image_max_aspect_ratio=4) as front:
        assert await asked(front, encode(Pillow.new("RGB", (40, 10)), "PNG"))
        error = await refused(front, encode(Pillow.new("RGB", (10, 41)), "PNG"))
    assert isinstance(error, ImageInvalidError)
    assert error.metadata == {"width": "10", "height": "41", "max_aspect_ratio": "4"}


async def test_a_model_may_take_less_than_the_service() -> None:
    picky = scripted_spec("picky").model_copy(
        update={"image": ImageSpec(max_pixels=100, max_aspect_ratio=2)}
    )
    async with generation_front(picky, scripted_spec("a-model")) as front:
        large = encode(Pillow.new("RGB", (11, 10)), "PNG")
        long = encode(Pillow.new("RGB", (9, 4)), "PNG")
        for data in (large, long):
            assert await asked(front, data)
        assert await asked(front, encode(Pillow.new("RGB", (10, 10)), "PNG"), "picky")
        assert isinstance(await refused(front, large, "picky"), ImageTooLargeError)
        assert isinstance(await refused(front, long, "picky"), ImageInvalidError)
