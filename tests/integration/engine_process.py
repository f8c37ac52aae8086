"""Runs one engine's answers in a process of its own: vLLM takes over signals, threads, logging.

``python -m tests.integration.engine_process MODEL ENGINE ADAPTERS OUT`` answers the cases below
one at a time and then all together. Without adapters it answers the plain one alone.
"""

import asyncio
import json
import sys
from pathlib import Path

from services.generation.catalog import ModelSpec, SourceSpec
from services.generation.domain import EngineRequest
from services.generation.engine import Engine
from services.generation.engines import build_engine
from tests.integration.engine_calls import (
    Answer,
    ask,
    ask_in_turn,
    ask_together,
    gradient,
    request,
)

RED, WIDE, TALL = gradient(64, 64), gradient(120, 60, 1), gradient(60, 90, 2)
QUESTION = "Explain the composition."
CASES: dict[str, EngineRequest] = {
    "plain": request(QUESTION, RED),
    "another picture": request("What is the title of this?", WIDE),
    "no picture": request("Who painted the Mona Lisa?"),
    "system text": request(QUESTION, TALL, system_text="You are a critic."),
    "longer": request("Explain the composition of this painting, please.", RED, max_tokens=48),
    "repetition": request(QUESTION, RED, repetition_penalty=1.3),
    "penalties": request(QUESTION, TALL, presence_penalty=1.0, frequency_penalty=0.5),
    "stop": request(QUESTION, RED, stop=("ition", " of ")),
    "stop, not yet": request(QUESTION, RED, stop=(" is", " a"), min_tokens=12),
    "least": request("Why?", RED, min_tokens=30, max_tokens=40),
    "first adapter": request(QUESTION, RED, adapter="first"),
    "second adapter": request(QUESTION, RED, adapter="second"),
}
SAMPLED = request(QUESTION, RED, temperature=1.0, top_k=40, top_p=0.9, seed=7)


def spec_of(model: Path, engine: str, adapters: Path) -> ModelSpec:
    arguments: dict[str, object] = {"batch_wait_s": 0.1}
    if engine == "vllm":
        arguments = {"max_num_seqs": 16, "kv_cache_memory_bytes": 128 << 20}
    return ModelSpec.model_validate(
        {
            "name": model.name,
            "source": SourceSpec(folder=str(model)),
            "engine": engine,
            "dtype": "float32",
            "max_model_len": 512,
            "adapters": {
                folder.name: SourceSpec(folder=str(folder)) for folder in sorted(adapters.iterdir())
            },
            "engine_arguments": arguments,
        }
    )


async def look_at_picture_cache(engine: Engine) -> list[object]:
    """Says how often vLLM's picture cache was asked and hit, and how often one was decoded."""
    # vLLM's own counters, and where ours decodes: nothing else could show it.
    from services.generation.engines import pictures

    decoded = 0
    decode = pictures.decode_image

    def counting(*arguments: object) -> object:
        nonlocal decoded
        decoded += 1
        return decode(*arguments)  # type: ignore[arg-type]

    pictures.decode_image = counting  # type: ignore[assignment]
    llm = engine._llm  # type: ignore[attr-defined]
    cache = llm.renderer.mm_processor_cache

    async def look(asked: EngineRequest) -> list[object]:
        before, first = cache.make_stats(), decoded
        answer = await ask(engine, asked)
        after = cache.make_stats()
        hits = after.hits - before.hits
        return [after.total - before.total, hits, decoded - first, answer.text]

    fresh = gradient(80, 40, 3)
    rows = [await look(request(QUESTION, fresh)), await look(request("And the light?", fresh))]
    # What vLLM's core holds is lost, and the front end does not know.
    await llm.engine_core.reset_mm_cache_async()
    await llm.reset_prefix_cache()
    await llm.reset_encoder_cache()
    rows.append(await look(request(QUESTION, fresh)))
    # Both sides have lost it.
    await llm.reset_mm_cache()
    rows.append(await look(request(QUESTION, fresh)))
    return rows


async def answer_all(model: Path, engine_name: str, adapters: Path) -> dict[str, object]:
    spec = spec_of(model, engine_name, adapters)
    engine = build_engine(spec)
    await engine.start()
    asked = list(CASES.values()) if spec.adapters else [CASES["plain"]]
    in_turn = await ask_in_turn(engine, asked)
    # Twice, in two orders, so that neighbours and places in the batch differ.
    together = await ask_together(engine, [*asked, SAMPLED, *reversed(asked)])
    sampled = await ask(engine, SAMPLED)
    result: dict[str, object] = {
        "dtype": engine.dtype,
        "revision": engine.revision,
        "running": engine.running_count(),
        "in turn": list(map(_row, in_turn)),
        "together": [_row(each) for each in together[: len(asked)]],
        "together again": [_row(each) for each in together[: -len(asked) - 1 : -1]],
        "sampled": [_row(together[len(asked)]), _row(sampled)],
    }
    if engine_name == "vllm":
        result["picture cache"] = await look_at_picture_cache(engine)
    engine.stop()
    return result


def _row(answer: Answer) -> list[object]:
    usage = answer.result.usage
    return [
        answer.text,
        answer.result.finish_reason,
        usage.prompt_token_count,
        usage.image_token_count,
        usage.generated_token_count,
    ]


def main(model: str, engine: str, adapters: str, out: str) -> None:
    answers = asyncio.run(answer_all(Path(model), engine, Path(adapters)))
    Path(out).write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
