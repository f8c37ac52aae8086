"""The driver's client against the real front: how pictures reach it, and what it refuses."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image

from services.benchmark.images import PictureMissingError, PictureStore
from services.core.digests import digest_of
from services.core.errors import ImageTooLargeError, InvalidRequestError
from services.generation.catalog import ModelSpec
from services.rpc.channel import open_channel
from services.sweep.remote.clients import GenerationClient
from services.sweep.remote.messages import ExplanationRequest
from services.sweep.remote.retry import ConnectionLostError, is_final
from services.sweep.remote.uploads import Pictures
from services.sweep.spec.spec import SamplingSpec
from tests.contract.generation_front import generation_front
from tests.integration.sweep_services import ScriptedGeneration, serving

DEADLINE_S = 30.0
SPECS = [
    ModelSpec(name="scripted", engine="scripted", max_model_len=512),
    ModelSpec.model_validate(
        {
            "name": "seeing",
            "engine": "scripted",
            "max_model_len": 512,
            "image": {"required": True},
        }
    ),
]


@pytest.fixture
def picture(tmp_path: Path) -> str:
    Image.new("RGB", (8, 8), "teal").save(tmp_path / "work.png")
    return digest_of((tmp_path / "work.png").read_bytes())


def request(number: int, digest: str, model: str = "scripted") -> ExplanationRequest:
    return ExplanationRequest(
        request_id=f"q2-{number}",
        model=model,
        adapter="",
        image="work.png" if digest else "",
        image_digest=digest,
        instruction=f"Explain part {number}.",
        system_text="",
        sampling=SamplingSpec(max_tokens=4),
    )


@asynccontextmanager
async def client_of(address: str, folder: Path) -> AsyncIterator[GenerationClient]:
    async with (
        open_channel(address, connection=0) as one,
        open_channel(address, connection=1) as other,
    ):
        client = GenerationClient([one, other], Pictures(PictureStore(folder)))
        yield client
        await client.close()


async def test_a_picture_is_read_once_and_named_from_then_on(tmp_path: Path, picture: str) -> None:
    async with generation_front(*SPECS) as front, client_of(front.address, tmp_path) as client:
        first = await client.explain(request(0, picture), DEADLINE_S)
        (tmp_path / "work.png").unlink()
        second = await client.explain(request(1, picture), DEADLINE_S)
    assert first.image_digest == second.image_digest == picture
    assert first.text != second.text
    assert first.image_token_count > 0


async def test_a_front_that_was_restarted_is_brought_the_picture_once_for_all_questions(
    tmp_path: Path, picture: str
) -> None:
    generation = ScriptedGeneration({"scripted": "r1"}, delay_s=0.02)
    async with serving(generation) as (address,), client_of(address, tmp_path) as client:
        await client.explain(request(0, picture), DEADLINE_S)
        generation.images.clear()
        answers = await asyncio.gather(
            *(client.explain(request(number, picture), DEADLINE_S) for number in range(1, 33))
        )
    assert {answer.image_digest for answer in answers} == {picture}
    assert generation.uploads == {picture: 2}
    assert generation.inlined == 0


async def test_a_front_that_keeps_no_picture_gets_it_with_the_question(
    tmp_path: Path, picture: str
) -> None:
    generation = ScriptedGeneration({"scripted": "r1"}, keeps_images=False)
    async with serving(generation) as (address,), client_of(address, tmp_path) as client:
        answer = await client.explain(request(0, picture), DEADLINE_S)
    assert answer.image_digest == picture
    assert generation.inlined == 1


async def test_a_refused_picture_is_refused_again_without_what_came_before(
    tmp_path: Path, picture: str
) -> None:
    generation = ScriptedGeneration({"scripted": "r1"}, image_max_bytes=1)
    refusals: list[ImageTooLargeError] = []
    async with serving(generation) as (address,), client_of(address, tmp_path) as client:
        for number in range(20):
            with pytest.raises(ImageTooLargeError) as caught:
                await client.explain(request(number, picture), DEADLINE_S)
            refusals.append(caught.value)
    assert len(set(map(id, refusals))) == 20
    lengths = [len(list(traceback.walk_tb(refusal.__traceback__))) for refusal in refusals]
    assert lengths[-1] == lengths[1]  # one and the same error would grow with each question
    assert generation.uploads == {picture: 1}


async def test_a_picture_that_has_changed_since_it_was_planned_is_not_sent(
    tmp_path: Path, picture: str
) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "work.png")
    async with generation_front(*SPECS) as front, client_of(front.address, tmp_path) as client:
        with pytest.raises(PictureMissingError, match="changed since the sweep was planned"):
            await client.explain(request(0, picture), DEADLINE_S)


async def test_a_question_without_a_picture_is_answered_from_its_words_alone(
    tmp_path: Path, picture: str
) -> None:
    async with generation_front(*SPECS) as front, client_of(front.address, tmp_path) as client:
        blind = await client.explain(request(0, ""), DEADLINE_S)
        assert blind.image_digest == ""
        assert blind.image_token_count == 0
        with pytest.raises(InvalidRequestError, match="seeing does not answer without one") as no:
            await client.explain(request(1, "", model="seeing"), DEADLINE_S)
    assert is_final(no.value)  # recorded as failed, and not asked again


async def test_a_service_that_is_not_there_is_a_lost_connection(tmp_path: Path) -> None:
    async with client_of("127.0.0.1:1", tmp_path) as client:
        with pytest.raises(ConnectionLostError):
            await client.explain(request(0, ""), DEADLINE_S)
