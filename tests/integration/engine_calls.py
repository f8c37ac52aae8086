"""Asks engines directly, without Ray and gRPC around them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO

from PIL import Image as Pillow

from services.core.digests import digest_of
from services.generation.domain import EngineRequest, EngineResult, Image, Sampling
from services.generation.engine import Engine

GREEDY = Sampling(
    max_tokens=24,
    temperature=0.0,
    top_p=1.0,
    top_k=0,
    seed=None,
    stop=(),
    repetition_penalty=1.0,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    min_tokens=0,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine made of one request."""

    text: str
    result: EngineResult

    @property
    def summary(self) -> tuple[object, ...]:
        """All but how long it took."""
        return (
            self.text,
            self.result.finish_reason,
            self.result.usage,
            self.result.sampling,
        )


def encoded(picture: Pillow.Image) -> Image:
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return Image(buffer.getvalue(), digest_of(buffer.getvalue()))


def gradient(width: int, height: int, turn: int = 0) -> Image:
    """A picture without symmetry, another one for each turn."""
    picture = Pillow.linear_gradient("L").rotate(90 * turn).resize((width, height))
    mask = Pillow.radial_gradient("L").resize((width, height))
    return encoded(Pillow.merge("RGB", (picture, mask, picture.transpose(0))))


def request(
    instruction: str,
    image: Image | None = None,
    *,
    adapter: str = "",
    system_text: str = "",
    **sampling: object,
) -> EngineRequest:
    given = replace(GREEDY, **sampling)  # type: ignore[arg-type]
    return EngineRequest("r", image, instruction, system_text, given, adapter=adapter)


async def ask(engine: Engine, asked: EngineRequest) -> Answer:
    pieces: list[str] = []
    results: list[EngineResult] = []
    async for piece in engine.generate(asked):
        if isinstance(piece, str):
            assert piece
            pieces.append(piece)
        else:
            results.append(piece)
    (result,) = results
    return Answer("".join(pieces), result)


async def ask_together(engine: Engine, asked: Sequence[EngineRequest]) -> list[Answer]:
    return list(await asyncio.gather(*(ask(engine, each) for each in asked)))


async def ask_in_turn(engine: Engine, asked: Sequence[EngineRequest]) -> list[Answer]:
    return [await ask(engine, each) for each in asked]


def texts(answers: Mapping[str, Answer]) -> dict[str, str]:
    return {name: answer.text for name, answer in answers.items()}
