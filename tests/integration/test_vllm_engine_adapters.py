"""An adapter that vLLM cannot load fails the model, and leaves no process behind."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.lora_adapters import write_adapter

SCRIPT = """
import asyncio, multiprocessing, sys
from pathlib import Path
from services.core.errors import ModelFailedError
from services.generation.engines import build_engine
from tests.integration.engine_process import spec_of

async def main():
    engine = build_engine(spec_of(Path(sys.argv[1]), "vllm", Path(sys.argv[2])))
    try:
        await engine.start()
    except ModelFailedError as error:
        print(error.message)
    # vLLM kills what does not end in five seconds, and does not wait for its death.
    for child in multiprocessing.active_children():
        child.join(timeout=30)
    print(len(multiprocessing.active_children()), engine.running_count())

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.slow
def test_an_adapter_for_another_model_fails_this_one_by_name(
    demo_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "TORCHDYNAMO_DISABLE": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_NO_USAGE_STATS": "1",
    }.items():
        monkeypatch.setenv(variable, value)
    model = demo_models / "demo-tiny"
    good = write_adapter(tmp_path / "adapters" / "good", model, seed=1, rank=4, alpha=8)
    other = tmp_path / "adapters" / "other"
    shutil.copytree(good, other)
    config = json.loads((other / "adapter_config.json").read_text(encoding="utf-8"))
    # vLLM has no weight-decomposed LoRA.
    config["use_dora"] = True
    (other / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    script = tmp_path / "start.py"
    script.write_text(SCRIPT, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    finished = subprocess.run(
        [sys.executable, str(script), str(model), str(tmp_path / "adapters")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
    *_, message, left = finished.stdout.strip().splitlines()
    assert message.startswith("adapter other cannot be loaded: ")
    assert "DoRA" in message
    assert left == "0 0"
