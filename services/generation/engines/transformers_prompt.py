"""Makes prompts for transformers: the model's processor and its chat template."""

import copy
from collections.abc import Mapping, Sequence

import torch
from jinja2 import TemplateError, TemplateSyntaxError
from PIL import Image as Pillow
from transformers import AutoConfig, AutoProcessor

from services.core.errors import InvalidRequestError, ModelFailedError
from services.generation.catalog import ModelSpec
from services.generation.engines.pictures import refused_image
from services.generation.engines.transformers_batch import EncodedPrompt
from services.generation.messages import one_line

_PROBE = "Which colour is the probe?"
# What a template raises that is given a message in the form it does not take.
_TEMPLATE_ERRORS = (TemplateError, ValueError, TypeError, KeyError, AttributeError)


class PromptEncoder:
    """Encodes requests of one model, one at a time.

    Args:
        spec: The model's catalog entry.
        options: What the processor is made with, by its own names.

    Raises:
        ModelFailedError: The chat template is missing, is no Jinja, or leaves out what it is given.
    """

    def __init__(self, spec: ModelSpec, options: Mapping[str, object]) -> None:
        origin: dict[str, object] = {
            "revision": spec.source.revision,
            "trust_remote_code": spec.trust_remote_code,
        }
        self._processor = AutoProcessor.from_pretrained(spec.weights, **origin, **options)
        self._image_token = _image_token(AutoConfig.from_pretrained(spec.weights, **origin))
        tokenizer = self._processor.tokenizer
        # Encoding changes a tokenizer's state, and decoding runs in another thread.
        self._decoder = copy.deepcopy(tokenizer)
        self._chat_template = spec.chat_template
        self._start_text: str | None = tokenizer.bos_token
        self._image_text = str(getattr(self._processor, "image_token", None) or "")
        self.pad_token: int | None = tokenizer.pad_token_id
        self.end_token: int | None = tokenizer.eos_token_id
        self._takes_parts = self._find_form()
        self._check_picture()

    def decode(self, token_ids: Sequence[int]) -> str:
        """Turns tokens into text and leaves special tokens out."""
        return str(self._decoder.decode(token_ids, skip_special_tokens=True))

    def encode(
        self, instruction: str, system_text: str, picture: Pillow.Image | None
    ) -> EncodedPrompt:
        """Encodes one request, with its picture as upright RGB.

        Raises:
            InvalidRequestError: The template refuses the request, or the processor the picture.
        """
        try:
            text = self._render(
                instruction,
                system_text,
                has_picture=picture is not None,
                takes_parts=self._takes_parts,
            )
        except Exception as error:  # a template raises what it likes
            raise InvalidRequestError("the model's chat template refuses the request") from error
        try:
            made = self._processor(
                text=[text],
                **({} if picture is None else {"images": [[picture]]}),
                return_tensors="pt",
                # As its own apply_chat_template does it.
                add_special_tokens=not (self._start_text and text.startswith(self._start_text)),
            )
        except Exception as error:  # so does a processor
            if picture is not None:
                raise refused_image() from error
            raise InvalidRequestError("the model's processor refuses the request") from error
        inputs = {name: value for name, value in made.items() if isinstance(value, torch.Tensor)}
        token_ids = inputs["input_ids"][0].tolist()
        image_tokens = 0 if self._image_token is None else token_ids.count(self._image_token)
        return EncodedPrompt(inputs, token_ids, image_tokens)

    def _check_picture(self) -> None:
        """Sees that a picture reaches the model: some token of the prompt must stand for it."""
        encoded = self.encode(_PROBE, "", Pillow.new("RGB", (64, 64), "grey"))
        if self._image_token is not None and encoded.image_token_count == 0:
            raise ModelFailedError("the chat template leaves out the picture")

    def _render(
        self, instruction: str, system_text: str, *, has_picture: bool, takes_parts: bool
    ) -> str:
        content: object
        system: object
        if takes_parts:
            content = [{"type": "text", "text": instruction}]
            system = [{"type": "text", "text": system_text}]
            if has_picture:
                content.insert(0, {"type": "image"})
        else:
            content = f"{self._image_text}\n{instruction}" if has_picture else instruction
            system = system_text
        messages = [{"role": "user", "content": content}]
        if system_text:
            messages.insert(0, {"role": "system", "content": system})
        return str(
            self._processor.apply_chat_template(
                messages,
                chat_template=self._chat_template,
                add_generation_prompt=True,
                tokenize=False,
            )
        )

    def _find_form(self) -> bool:
        """Tells whether the template takes a message in parts, or as one text."""
        reasons = []
        for takes_parts in (True, False):
            try:
                text = self._render(_PROBE, "", has_picture=True, takes_parts=takes_parts)
            except TemplateSyntaxError as error:
                raise ModelFailedError(
                    f"the chat template is no valid Jinja, line {error.lineno}: {one_line(error)}"
                ) from error
            except _TEMPLATE_ERRORS as error:
                reasons.append(one_line(error))
                continue
            # Written in the wrong form, a message shows up as a Python list, or not at all.
            if _PROBE in text and "'type'" not in text:
                return takes_parts
            reasons.append("it leaves out the text")
        raise ModelFailedError(f"the chat template cannot be used: {reasons[0]}")


def _image_token(config: object) -> int | None:
    """Finds the token that stands for a piece of a picture."""
    for name in ("image_token_id", "image_token_index"):
        found = getattr(config, name, None)
        if isinstance(found, int):
            return found
    return None
