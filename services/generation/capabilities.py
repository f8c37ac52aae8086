"""What each engine can do with a request's sampling fields. Pure: no engine is imported."""

from collections.abc import Mapping

from services.core.errors import FieldViolation
from services.generation.catalog import ModelSpec
from services.generation.domain import Sampling, SamplingRequest

# OpenAI's reference: "Up to 4 sequences".
_OPENAI_MAX_STOP_TEXTS = 4

# What a field is when it changes nothing; any engine honours that. The others always matter.
_NEUTRAL: Mapping[str, float | None] = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "seed": None,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "min_tokens": 0,
}

# Chat completions have no such fields; vLLM's server adds them.
_OPENAI_LACKS = ("top_k", "repetition_penalty", "min_tokens")


def lacking_fields(spec: ModelSpec) -> frozenset[str]:
    """Names the sampling fields that a model's engine cannot honour."""
    if spec.openai is None:
        # The engines that hold a model themselves choose its tokens in all these ways.
        return frozenset()
    own = () if spec.openai.dialect == "vllm" else _OPENAI_LACKS
    return frozenset((*own, *spec.openai.refuses))


def unsupported_fields(
    spec: ModelSpec, sampling: SamplingRequest | Sampling
) -> list[FieldViolation]:
    """Names every sampling field that is set to something which the model cannot honour.

    A field that is left open, or set to the value that changes nothing, is honoured by any model.

    Args:
        spec: The model's catalog entry.
        sampling: What a caller asks for, or the entry's defaults.

    Returns:
        A violation a field, each with the model, its engine and what may be given; none if the
        model honours all.
    """
    lacking = lacking_fields(spec)
    found = [
        FieldViolation(
            f"sampling.{name}",
            f"is not supported by model {spec.name} (engine {spec.engine}); "
            f"{_allowed(name)}; got {value:g}",
        )
        for name in _NEUTRAL
        if name in lacking and (value := getattr(sampling, name)) not in (None, _NEUTRAL[name])
    ]
    if "stop" in lacking and sampling.stop:
        found.append(
            FieldViolation(
                "sampling.stop",
                f"is not supported by model {spec.name} (engine {spec.engine}); leave it out",
            )
        )
    elif _has_few_stop_texts(spec) and len(sampling.stop) > _OPENAI_MAX_STOP_TEXTS:
        found.append(
            FieldViolation(
                "sampling.stop",
                f"must hold at most {_OPENAI_MAX_STOP_TEXTS} texts for model {spec.name} "
                f"(engine {spec.engine}); got {len(sampling.stop)}",
            )
        )
    return found


def _has_few_stop_texts(spec: ModelSpec) -> bool:
    return spec.openai is not None and spec.openai.dialect == "openai"


def _allowed(name: str) -> str:
    neutral = _NEUTRAL[name]
    return "leave it out" if neutral is None else f"leave it out or give {neutral:g}"
