"""vLLM alone, in a process of its own: reads questions as JSON lines, writes times as JSON lines.

Run as ``python -m tests.bench.generation_baseline MODE MODEL``. Mode ``chat`` is the offline LLM,
which gets all questions of a line at once; mode ``stream`` is AsyncLLM, which gets them one after
the other and tells the times to the first token, from the encoded picture and the instruction on,
as a service gets them. Each writes one line when it is loaded.
"""

import asyncio
import base64
import json
import sys
import time
import uuid
from io import BytesIO
from pathlib import Path

from PIL import Image as Pillow

from services.generation.catalog import ModelSpec, load_catalog
from services.generation.settings import GenerationSettings
from tests.bench.generation_questions import FEW_TOKENS, NEW_TOKENS


def _write(line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _arguments(spec: ModelSpec) -> dict[str, object]:
    from services.generation.engines.vllm_arguments import engine_arguments

    return engine_arguments(spec)


def _chat(spec: ModelSpec) -> None:
    from vllm import LLM, SamplingParams

    arguments = {key: value for key, value in _arguments(spec).items() if value is not None}
    llm = LLM(**arguments)
    sampling = SamplingParams(max_tokens=NEW_TOKENS, min_tokens=NEW_TOKENS, temperature=0)
    _write({"ready": True})
    for line in sys.stdin:
        talks = []
        for image, instruction in json.loads(line):
            data = base64.b64encode(Path(image).read_bytes()).decode()
            picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
            content = [picture, {"type": "text", "text": instruction}]
            talks.append([{"role": "user", "content": content}])
        began = time.perf_counter()
        answers = llm.chat(talks, sampling, use_tqdm=False)
        took_s = time.perf_counter() - began
        assert all(len(answer.outputs[0].token_ids) == NEW_TOKENS for answer in answers)
        _write({"took_s": took_s})


def _asked(line: str) -> list[tuple[bytes, str]]:
    return [(Path(image).read_bytes(), instruction) for image, instruction in json.loads(line)]


async def _stream(spec: ModelSpec) -> None:
    from transformers import AutoProcessor
    from vllm import AsyncEngineArgs, SamplingParams
    from vllm.sampling_params import RequestOutputKind
    from vllm.v1.engine.async_llm import AsyncLLM

    llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**_arguments(spec)))
    processor = AutoProcessor.from_pretrained(spec.weights)
    sampling = SamplingParams(
        max_tokens=FEW_TOKENS, temperature=0, output_kind=RequestOutputKind.DELTA
    )
    _write({"ready": True})
    for line in iter(sys.stdin.readline, ""):
        firsts, prepared = [], []
        # From what the service gets: an encoded picture and the bare instruction.
        for encoded, instruction in _asked(line):
            began = time.perf_counter()
            content = [{"type": "image"}, {"type": "text", "text": instruction}]
            prompt = processor.apply_chat_template(
                [{"role": "user", "content": content}], add_generation_prompt=True
            )
            picture = Pillow.open(BytesIO(encoded)).convert("RGB")
            asked = {"prompt": prompt, "multi_modal_data": {"image": picture}}
            prepared.append(time.perf_counter() - began)
            first_s = None
            async for _ in llm.generate(asked, sampling, uuid.uuid4().hex):
                if first_s is None:
                    first_s = time.perf_counter() - began
            firsts.append(first_s)
        _write({"firsts_s": firsts, "prepared_s": prepared})
    llm.shutdown()


def main() -> None:
    mode, model = sys.argv[1:]
    settings = GenerationSettings()
    spec = load_catalog(settings.catalog_folder, settings.models_folder).get(model)
    if mode == "chat":
        _chat(spec)
    else:
        asyncio.run(_stream(spec))


if __name__ == "__main__":
    main()
