"""Loads a model in transformers and generates batches with it. Holds no event loop."""

from collections.abc import Callable, Sequence

import torch
from PIL import Image as Pillow
from transformers import (
    AutoModelForImageTextToText,
    GenerationConfig,
    LogitsProcessorList,
    StoppingCriteriaList,
)

from services.generation.adapters import locate_adapters
from services.generation.catalog import ModelSpec
from services.generation.domain import EngineRequest
from services.generation.engines.transformers_adapters import LoraLayers
from services.generation.engines.transformers_arguments import TransformersArguments
from services.generation.engines.transformers_batch import (
    Answer,
    AnswerInBatch,
    ChoosingProcessor,
    EncodedPrompt,
    FollowingCriteria,
    News,
    join_prompts,
)
from services.generation.engines.transformers_prompt import PromptEncoder


class TransformersModel:
    """One model with its processor.

    Args:
        spec: Its catalog entry.
        arguments: The entry's engine_arguments.

    Raises:
        ModelFailedError: Template or adapters are wrong; other errors are transformers' own.
    """

    def __init__(self, spec: ModelSpec, arguments: TransformersArguments) -> None:
        adapters = locate_adapters(spec)
        self._prompts = PromptEncoder(spec, arguments.processor)
        placement: dict[str, object] = {"device_map": "auto"} if spec.num_gpus > 1 else {}
        model = AutoModelForImageTextToText.from_pretrained(
            spec.weights,
            revision=spec.source.revision,
            dtype=spec.dtype,
            trust_remote_code=spec.trust_remote_code,
            **placement,
            **arguments.model,
        ).eval()
        if not spec.runs_on_cpu and not placement:
            model = model.to("cuda")
        self._model = model
        self._end_tokens = _end_tokens(model.generation_config, self._prompts.end_token)
        pad_token = self._prompts.pad_token
        self._pad_token = min(self._end_tokens, default=0) if pad_token is None else pad_token
        # What comes with the weights, such as a temperature, must not mix with the request's.
        model.generation_config = GenerationConfig()
        self._adapters = LoraLayers(model, adapters)

    @property
    def dtype(self) -> str:
        """Number format of the weights, such as float32."""
        return str(self._model.dtype).removeprefix("torch.")

    def encode(self, request: EngineRequest, picture: Pillow.Image | None) -> EncodedPrompt:
        """Encodes one request; errors as in PromptEncoder."""
        return self._prompts.encode(request.instruction, request.system_text, picture)

    def generate(
        self, answers: Sequence[Answer], publish: Callable[[list[tuple[Answer, News]]], None]
    ) -> None:
        """Generates answers of one group together, until each is finished or cancelled.

        Args:
            answers: At least one; all have the same group.
            publish: Takes what is new of each answer, once a step.
        """
        device = self._model.device
        batch = [
            AnswerInBatch(answer, self._prompts.decode, self._end_tokens, device)
            for answer in answers
        ]
        joined = join_prompts([answer.prompt for answer in answers], self._pad_token)
        inputs = {
            name: tensor.to(device, self._model.dtype if tensor.is_floating_point() else None)
            for name, tensor in joined.items()
        }
        with torch.inference_mode(), self._adapters.applied(answers[0].adapter):
            self._model.generate(
                **inputs,
                generation_config=GenerationConfig(
                    max_new_tokens=max(answer.sampling.max_tokens for answer in answers),
                    do_sample=False,
                    pad_token_id=self._pad_token,
                ),
                logits_processor=LogitsProcessorList([ChoosingProcessor(batch)]),
                stopping_criteria=StoppingCriteriaList([FollowingCriteria(batch, publish)]),
            )

    def works(self) -> bool:
        """Tells whether the device still computes: after some faults a GPU answers no more."""
        try:
            return bool(torch.ones(1, device=self._model.device).sum().item() == 1)
        except RuntimeError:
            return False


def _end_tokens(generation: GenerationConfig, end_token: int | None) -> frozenset[int]:
    """Collects what ends an answer: the generation config's tokens, and the tokenizer's own."""
    own = generation.eos_token_id
    listed = own if isinstance(own, list) else [own]
    return frozenset(token for token in (*listed, end_token) if token is not None)
