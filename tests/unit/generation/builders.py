"""Small values of the generation domain for its tests."""

import asyncio
from collections.abc import Callable
from io import BytesIO

from PIL import Image as Pillow

from services.core.digests import digest_of
from services.generation.catalog import ModelSpec, ScriptedSpec, SourceSpec
from services.generation.domain import EngineRequest, Image, Sampling


def picture(colour: str = "red", edge: int = 16) -> Image:
    buffer = BytesIO()
    Pillow.new("RGB", (edge, edge), colour).save(buffer, "PNG")
    return Image(buffer.getvalue(), digest_of(buffer.getvalue()))


def sampling(max_tokens: int = 20, stop: tuple[str, ...] = ()) -> Sampling:
    return Sampling(
        max_tokens=max_tokens,
        temperature=0.0,
        top_p=1.0,
        top_k=0,
        seed=None,
        stop=stop,
        repetition_penalty=1.0,
        presence_penalty=0.0,
        frequency_penalty=0.0,
        min_tokens=0,
    )


def engine_request(
    instruction: str = "Explain the composition.",
    *,
    image: Image | None = None,
    max_tokens: int = 20,
    stop: tuple[str, ...] = (),
    request_id: str = "r",
) -> EngineRequest:
    return EngineRequest(request_id, image, instruction, "", sampling(max_tokens, stop))


def scripted_spec(
    name: str = "scripted",
    *,
    max_model_len: int = 1000,
    first_token_s: float = 0.0,
    per_token_s: float = 0.0,
) -> ModelSpec:
    return ModelSpec(
        name=name,
        source=SourceSpec(folder="/nowhere"),
        engine="scripted",
        max_model_len=max_model_len,
        scripted=ScriptedSpec(first_token_s=first_token_s, per_token_s=per_token_s),
    )


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that must come, and fails if it has not within 20 s."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")
