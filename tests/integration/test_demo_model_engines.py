"""A demo model gives the same tokens in vLLM and in transformers: greedy, float32."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import DEMO_MODELS

NEW_TOKENS = 64
ANSWERS = 6

# Each engine gets a process of its own: vLLM takes over signals, threads and logging.
PRELUDE = f"""
import json, sys
from deploy.demo_models.tiny_examples import load_questions
from deploy.demo_models.tiny_measure import Artwork
from deploy.demo_models.tiny_train import TRAIN_SPLIT
folder, out = sys.argv[1:]
asked = load_questions(TRAIN_SPLIT)[::19][:{ANSWERS}]
pictures = [Artwork(q.title, q.image).variant("engines") for q in asked]
"""

TRANSFORMERS = (
    PRELUDE
    + f"""
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor
torch.set_num_threads(1)
processor = AutoProcessor.from_pretrained(folder)
model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
rows = []
for question, picture in zip(asked, pictures):
    content = [{{"type": "image"}}, {{"type": "text", "text": question.instruction}}]
    prompt = processor.apply_chat_template(
        [{{"role": "user", "content": content}}], add_generation_prompt=True
    )
    inputs = processor(text=prompt, images=[picture], return_tensors="pt")
    output = model.generate(**inputs, max_new_tokens={NEW_TOKENS}, do_sample=False)
    start = inputs["input_ids"].shape[1]
    rows.append({{"prompt": output[0, :start].tolist(), "answer": output[0, start:].tolist()}})
json.dump(rows, open(out, "w"))
"""
)

VLLM = (
    PRELUDE
    + f"""
import base64, io
from vllm import LLM, SamplingParams
def url(picture):
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
llm = LLM(
    folder, dtype="float32", enforce_eager=True, max_model_len=512, max_num_seqs=8,
    kv_cache_memory_bytes=64 << 20, limit_mm_per_prompt={{"image": 1}},
    distributed_executor_backend="uni",
)
chats = [
    [{{"role": "user", "content": [
        {{"type": "image_url", "image_url": {{"url": url(picture)}}}},
        {{"type": "text", "text": question.instruction}},
    ]}}]
    for question, picture in zip(asked, pictures)
]
outputs = llm.chat(chats, SamplingParams(temperature=0, max_tokens={NEW_TOKENS}), use_tqdm=False)
json.dump(
    [{{"prompt": list(o.prompt_token_ids), "answer": list(o.outputs[0].token_ids)}}
     for o in outputs],
    open(out, "w"),
)
"""
)


def _run(script: str, folder: Path, out: Path) -> list[dict[str, list[int]]]:
    finished = subprocess.run(
        [sys.executable, "-c", script, str(folder), str(out)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    rows: list[dict[str, list[int]]] = json.loads(out.read_text(encoding="utf-8"))
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("name", DEMO_MODELS)
def test_vllm_and_transformers_answer_token_for_token_alike(
    name: str, demo_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TORCHDYNAMO_DISABLE": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_NO_USAGE_STATS": "1",
    }.items():
        monkeypatch.setenv(variable, value)
    expected = _run(TRANSFORMERS, demo_models / name, tmp_path / "transformers.json")
    served = _run(VLLM, demo_models / name, tmp_path / "vllm.json")
    assert len(served) == ANSWERS
    assert all(len(row["answer"]) > 20 for row in served)
    assert served == expected
