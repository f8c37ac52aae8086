"""The JSON that an endpoint gets, and in which encoding a picture goes."""

import base64
import json
from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image as Pillow

from services.core.digests import digest_of
from services.core.errors import ImageInvalidError, UnsupportedParameterError
from services.generation.catalog import ModelSpec, OpenAISpec
from services.generation.domain import EngineRequest, Image, Sampling
from services.generation.engines.openai_request import RequestWriter, passed_type
from services.generation.images import ImageLimits, decode_image
from tests.unit.generation.builders import engine_request, sampling

ORIENTATION = 0x0112
TURNED = 6


def writer(**settings: object) -> RequestWriter:
    endpoint = OpenAISpec.model_validate(
        {"base_url": "http://127.0.0.1:1/v1", "model": "painter", **settings}
    )
    spec = ModelSpec(name="closed", engine="openai", max_model_len=1000, openai=endpoint)
    return RequestWriter(spec, endpoint)


async def body_of(request: EngineRequest, **settings: object) -> dict[str, object]:
    chosen = writer(**settings)
    body: dict[str, object] = json.loads(
        await chosen.body(request, chosen.effective(request.sampling))
    )
    return body


def image(picture: Pillow.Image, kind: str, **options: object) -> Image:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return Image(buffer.getvalue(), digest_of(buffer.getvalue()))


def two_colours(mode: str = "RGB") -> Pillow.Image:
    picture = Pillow.new("RGB", (8, 4), "red")
    picture.putpixel((0, 0), (0, 0, 255))
    return picture.convert(mode)


async def test_a_plain_question_holds_nothing_that_an_endpoint_might_not_know() -> None:
    assert await body_of(engine_request("What?", max_tokens=7)) == {
        "model": "painter",
        "messages": [{"role": "user", "content": "What?"}],
        "max_completion_tokens": 7,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_every_sampling_field_that_is_set_is_sent() -> None:
    asked = Sampling(
        max_tokens=7,
        temperature=0.5,
        top_p=0.9,
        top_k=0,
        seed=3,
        stop=("end", "stop"),
        repetition_penalty=1.0,
        presence_penalty=0.25,
        frequency_penalty=-0.5,
        min_tokens=0,
    )
    body = await body_of(replace(engine_request(), sampling=asked))
    fields = ("temperature", "top_p", "seed", "stop", "presence_penalty", "frequency_penalty")
    assert {name: body[name] for name in fields} == {
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["end", "stop"],
        "presence_penalty": 0.25,
        "frequency_penalty": -0.5,
    }
    assert not {"top_k", "repetition_penalty", "min_tokens", "max_tokens"} & set(body)


async def test_a_vllm_server_gets_every_field_so_that_no_default_of_its_own_applies() -> None:
    body = await body_of(engine_request(), dialect="vllm")
    assert {
        name: body[name]
        for name in (
            *("temperature", "top_p", "top_k", "repetition_penalty"),
            *("presence_penalty", "frequency_penalty", "min_tokens"),
        )
    } == {
        "temperature": 0.0,
        "top_p": 1.0,
        "top_k": 0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "min_tokens": 0,
    }


async def test_an_older_server_gets_the_limit_by_its_older_name() -> None:
    body = await body_of(engine_request(max_tokens=7), max_tokens_field="max_tokens")
    assert body["max_tokens"] == 7
    assert "max_completion_tokens" not in body


async def test_refused_fields_are_not_sent_and_a_drawn_seed_is_not_reported() -> None:
    chosen = writer(refuses=["temperature", "seed", "top_p"])
    drawn = replace(sampling(), temperature=1.0, seed=12345)
    assert chosen.effective(drawn) == replace(drawn, seed=None)
    body = await body_of(
        replace(engine_request(), sampling=drawn), refuses=["temperature", "seed", "top_p"]
    )
    assert not {"temperature", "seed", "top_p"} & set(body)
    with pytest.raises(UnsupportedParameterError, match=r"sampling\.temperature"):
        chosen.effective(replace(drawn, temperature=0.5))


async def test_the_system_text_comes_first_and_the_picture_before_the_instruction() -> None:
    seen = image(two_colours(), "PNG")
    body = await body_of(
        replace(engine_request("What?", image=seen), system_text="Sei kurz, bitte: größer, 大.")
    )
    url = f"data:image/png;base64,{base64.b64encode(seen.data).decode()}"
    assert body["messages"] == [
        {"role": "system", "content": "Sei kurz, bitte: größer, 大."},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": url}},
                {"type": "text", "text": "What?"},
            ],
        },
    ]


def sent_picture(body: dict[str, object]) -> tuple[str, bytes]:
    (message,) = body["messages"]  # type: ignore[misc]
    head, _, data = message["content"][0]["image_url"]["url"].partition(";base64,")
    return head.removeprefix("data:"), base64.b64decode(data)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("PNG", "RGB"),
        ("PNG", "L"),
        ("PNG", "P"),
        ("PNG", "1"),
        ("WEBP", "RGB"),
        ("GIF", "P"),
    ],
)
async def test_a_picture_that_everybody_sees_alike_goes_as_it_came(kind: str, mode: str) -> None:
    seen = image(two_colours(mode), kind)
    mime, data = sent_picture(await body_of(engine_request(image=seen)))
    assert mime == f"image/{kind.lower()}"
    assert data == seen.data


def turned() -> Pillow.Exif:
    exif = Pillow.Exif()
    exif[ORIENTATION] = TURNED
    return exif


OTHERS = {
    "tiff": lambda: image(two_colours(), "TIFF"),
    "turned jpeg": lambda: image(two_colours(), "JPEG", exif=turned()),
    "turned webp": lambda: image(two_colours(), "WEBP", exif=turned()),
    "turned png": lambda: image(two_colours(), "PNG", exif=turned()),
    "cmyk jpeg": lambda: image(two_colours("CMYK"), "JPEG"),
    "transparent png": lambda: image(Pillow.new("RGBA", (8, 4), (255, 0, 0, 9)), "PNG"),
    "transparent webp": lambda: image(Pillow.new("RGBA", (8, 4), (255, 0, 0, 9)), "WEBP"),
    "transparent gif": lambda: image(Pillow.new("RGBA", (8, 4), (255, 0, 0, 0)), "GIF"),
    "transparent palette png": lambda: image(two_colours("P"), "PNG", transparency=0),
    "16-bit png": lambda: image(Pillow.new("I;16", (8, 4), 40000), "PNG"),
    "two frames gif": lambda: image(
        two_colours(),
        "GIF",
        save_all=True,
        append_images=[Pillow.new("RGB", (8, 4), "green")],
    ),
}


@pytest.mark.parametrize("name", OTHERS)
async def test_any_other_picture_goes_as_our_own_engines_see_it(name: str) -> None:
    seen = OTHERS[name]()
    mime, data = sent_picture(await body_of(engine_request(image=seen)))
    assert mime == "image/png"
    limits = ImageLimits(max_bytes=2**30, max_pixels=2**30)
    with Pillow.open(BytesIO(data)) as sent:
        assert sent.mode == "RGB"
        assert sent.tobytes() == decode_image(seen.data, limits).tobytes()


async def test_a_picture_that_is_none_is_refused() -> None:
    hostile = Image(b"GIF89a" + bytes(20), "sha256:0")
    assert passed_type(hostile.data) is None
    with pytest.raises(ImageInvalidError):
        await body_of(engine_request(image=hostile))
