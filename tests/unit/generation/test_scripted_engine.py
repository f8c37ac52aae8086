"""The scripted engine: deterministic text, and the rules that every engine keeps."""

import asyncio
import subprocess
import sys
from contextlib import aclosing
from dataclasses import replace

import pytest

from services.core.errors import PromptTooLongError
from services.generation.domain import EngineRequest, EngineResult, FinishReason
from services.generation.engines import build_engine
from services.generation.engines.scripted import IMAGE_TOKEN_COUNT
from tests.unit.generation.builders import engine_request, picture, scripted_spec


async def run(request: EngineRequest, name: str = "scripted") -> tuple[list[str], EngineResult]:
    pieces: list[str] = []
    async for piece in build_engine(scripted_spec(name)).generate(request):
        if isinstance(piece, EngineResult):
            return pieces, piece
        pieces.append(piece)
    pytest.fail("the engine ended without a result")


async def test_the_same_request_gives_the_same_text() -> None:
    first, _ = await run(engine_request(request_id="one"))
    second, _ = await run(engine_request(request_id="two"))
    assert first == second
    assert len(first) == 20


def test_the_text_is_the_same_in_another_process() -> None:
    here, _ = asyncio.run(run(engine_request()))
    code = (
        "import asyncio; from tests.unit.generation import test_scripted_engine as t;"
        "print(''.join(asyncio.run(t.run(t.engine_request()))[0]))"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert there.stdout.strip() == "".join(here)


async def test_model_picture_instruction_and_sampling_change_the_text() -> None:
    plain = engine_request()
    requests = [
        plain,
        engine_request(image=picture("red")),
        engine_request(image=picture("blue")),
        engine_request("Explain the history."),
        replace(plain, system_text="Be brief."),
        replace(plain, sampling=replace(plain.sampling, seed=1)),
    ]
    texts = {"".join((await run(request))[0]) for request in requests}
    texts.add("".join((await run(plain, name="other"))[0]))
    assert len(texts) == len(requests) + 1


async def test_tokens_are_counted_a_word_each_and_the_image_too() -> None:
    _, result = await run(engine_request("three short words", image=picture(), max_tokens=5))
    assert result.usage.prompt_token_count == 3 + IMAGE_TOKEN_COUNT
    assert result.usage.image_token_count == IMAGE_TOKEN_COUNT
    assert result.usage.generated_token_count == 5
    assert result.finish_reason is FinishReason.LENGTH


async def test_a_stop_text_ends_the_answer_and_is_not_returned() -> None:
    whole = "".join((await run(engine_request()))[0])
    # Nine characters of the text's own middle: they reach across a word boundary.
    middle = len(whole) // 2
    stop = whole[middle - 3 : middle + 6]
    pieces, result = await run(engine_request(stop=("never", stop)))
    assert "".join(pieces) == whole[: whole.index(stop)]
    assert result.finish_reason is FinishReason.STOP
    assert all(pieces)


async def test_a_longer_answer_begins_like_a_shorter_one() -> None:
    short, _ = await run(engine_request(max_tokens=3))
    long, _ = await run(engine_request(max_tokens=9))
    assert long[:3] == short


async def test_a_prompt_beyond_the_context_is_refused() -> None:
    with pytest.raises(PromptTooLongError, match="1001 tokens; model scripted holds 1000"):
        await run(engine_request("word " * 1001))


async def test_the_applied_limits_are_reported_where_the_context_cuts_them() -> None:
    # 1000 tokens of context, 990 words of prompt: 10 are left.
    request = engine_request("word " * 990, max_tokens=20)
    asked = replace(request.sampling, min_tokens=15)
    pieces, result = await run(replace(request, sampling=asked))
    assert len(pieces) == 10
    assert result.sampling == replace(asked, max_tokens=10, min_tokens=10)


async def test_closing_the_iterator_frees_the_place() -> None:
    engine = build_engine(scripted_spec(per_token_s=60))
    async with aclosing(engine.generate(engine_request())) as pieces:
        await anext(pieces)
        assert engine.running_count() == 1
    assert engine.running_count() == 0
