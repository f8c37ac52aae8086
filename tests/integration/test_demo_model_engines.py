"""A demo model answers alike in vLLM and in transformers: greedy, float32."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import DEMO_MODELS
from tests.integration.engine_process import CASES
from tests.integration.lora_adapters import merge_adapter, write_adapter

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
    _finish("-c", script, str(folder), str(out))
    rows: list[dict[str, list[int]]] = json.loads(out.read_text(encoding="utf-8"))
    return rows


def _finish(*arguments: str) -> None:
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TORCHDYNAMO_DISABLE": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_NO_USAGE_STATS": "1",
    }.items():
        monkeypatch.setenv(variable, value)


@pytest.mark.slow
@pytest.mark.parametrize("name", DEMO_MODELS)
def test_vllm_and_transformers_answer_token_for_token_alike(
    name: str, demo_models: Path, tmp_path: Path
) -> None:
    expected = _run(TRANSFORMERS, demo_models / name, tmp_path / "transformers.json")
    served = _run(VLLM, demo_models / name, tmp_path / "vllm.json")
    assert len(served) == ANSWERS
    assert all(len(row["answer"]) > 20 for row in served)
    assert served == expected


def _answers(model: Path, engine: str, adapters: Path, out: Path) -> dict[str, list[list[object]]]:
    _finish("-m", "tests.integration.engine_process", str(model), engine, str(adapters), str(out))
    answers: dict[str, list[list[object]]] = json.loads(out.read_text(encoding="utf-8"))
    return answers


@pytest.mark.slow
@pytest.mark.parametrize("name", DEMO_MODELS)
def test_both_engines_answer_alike_alone_in_a_batch_and_with_adapters(
    name: str, demo_models: Path, tmp_path: Path
) -> None:
    model, adapters, none = demo_models / name, tmp_path / "adapters", tmp_path / "none"
    none.mkdir()
    write_adapter(adapters / "first", model, seed=1, rank=4, alpha=8)
    # vLLM rounds the rank up to 16.
    write_adapter(adapters / "second", model, seed=2, rank=9, alpha=9)
    served = _answers(model, "vllm", adapters, tmp_path / "vllm.json")
    plain = _answers(model, "transformers", adapters, tmp_path / "transformers.json")

    for kind in ("in turn", "together", "together again"):
        assert dict(zip(CASES, served[kind], strict=True)) == dict(
            zip(CASES, plain["in turn"], strict=True)
        )
        assert plain[kind] == plain["in turn"]
    for key in ("dtype", "revision"):
        assert served[key] == plain[key]
    for answers in (served, plain):
        # A seed gives one answer, whatever else runs.
        assert answers["sampled"][0] == answers["sampled"][1]
        assert answers["running"] == 0

    texts = {case: row[0] for case, row in zip(CASES, plain["in turn"], strict=True)}
    assert len({texts["plain"], texts["first adapter"], texts["second adapter"]}) == 3
    for adapter in ("first", "second"):
        merged = merge_adapter(tmp_path / f"with-{adapter}", model, adapters / adapter)
        by_hand = _answers(merged, "transformers", none, tmp_path / f"{adapter}.json")
        assert by_hand["in turn"][0][0] == texts[f"{adapter} adapter"]

    # Asked, hit, decoded here: a picture's second question decodes nothing and asks the cache
    # alone. If the core has dropped it, vLLM is asked with the digest, then with the pixels; if
    # both sides have, the same. The answer is right each time.
    fresh, second, dropped, lost = served["picture cache"]
    assert fresh[:3] == [1, 0, 1]
    assert second[:3] == [1, 1, 0]
    assert dropped[2] == lost[2] == 1
    assert fresh[3] == dropped[3] == lost[3]
