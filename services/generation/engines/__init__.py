"""Engines, each the only importer of the library it drives."""

from importlib import import_module
from typing import cast

from services.generation.catalog import ModelSpec
from services.generation.engine import Engine

_CLASSES = {
    "vllm": ("services.generation.engines.vllm", "VllmEngine"),
    "transformers": ("services.generation.engines.transformers", "TransformersEngine"),
    "openai": ("services.generation.engines.openai", "OpenAIEngine"),
    "scripted": ("services.generation.engines.scripted", "ScriptedEngine"),
}


def build_engine(spec: ModelSpec) -> Engine:
    """Makes the engine that a catalog entry names, not yet started."""
    # Imported here: vLLM takes seconds, and a process that runs another engine never pays them.
    module, name = _CLASSES[spec.engine]
    return cast("Engine", getattr(import_module(module), name)(spec))
