"""What is read from the engines' source is what they say once they are imported."""

import json
import subprocess
import sys

import pytest

from services.generation.installed_engines import read_installed_engines

pytestmark = pytest.mark.slow

ASK_VLLM = """
import dataclasses, json, typing
from vllm import AsyncEngineArgs, ModelRegistry
from vllm.model_executor.layers.quantization import QuantizationMethods
from vllm.model_executor.models.registry import _PREVIOUSLY_SUPPORTED_MODELS
print(json.dumps({
    "arguments": sorted(field.name for field in dataclasses.fields(AsyncEngineArgs)),
    "architectures": sorted(ModelRegistry.get_supported_archs()),
    "former": _PREVIOUSLY_SUPPORTED_MODELS,
    "quantizations": sorted(typing.get_args(QuantizationMethods)),
}))
"""
ASK_TRANSFORMERS = """
import json
from transformers.models.auto import modeling_auto
print(json.dumps(sorted(set(
    modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.values()
))))
"""


def answer(script: str) -> object:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=240,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_vllm_says_the_same_of_itself() -> None:
    vllm = read_installed_engines().vllm
    assert vllm is not None
    assert answer(ASK_VLLM) == {
        "arguments": sorted(vllm.arguments),
        "architectures": sorted(vllm.architectures),
        "former": vllm.former_architectures,
        "quantizations": sorted(vllm.quantizations),
    }


def test_transformers_says_the_same_of_itself() -> None:
    transformers = read_installed_engines().transformers
    assert transformers is not None
    assert answer(ASK_TRANSFORMERS) == sorted(transformers.architectures)
