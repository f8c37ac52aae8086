"""Fits a generation into a model's context."""

from dataclasses import replace

from services.core.errors import PromptTooLongError
from services.generation.catalog import ModelSpec
from services.generation.domain import Sampling


def fit_to_context(spec: ModelSpec, sampling: Sampling, prompt_token_count: int) -> Sampling:
    """Cuts max_tokens, and min_tokens with it, to what the prompt leaves of the context.

    Raises:
        PromptTooLongError: The prompt leaves nothing.
    """
    context = spec.max_model_len
    if prompt_token_count >= context:
        raise PromptTooLongError(
            f"prompt and image take {prompt_token_count} tokens; "
            f"model {spec.name} holds {context} with the answer",
            prompt_token_count=str(prompt_token_count),
            max_context_token_count=str(context),
        )
    room = context - prompt_token_count
    return replace(
        sampling,
        max_tokens=min(sampling.max_tokens, room),
        min_tokens=min(sampling.min_tokens, room),
    )
