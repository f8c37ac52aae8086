"""Makes vLLM's prompts: the chat template, its special tokens, and the picture or its cache key."""

from collections import OrderedDict
from dataclasses import dataclass

from jinja2 import TemplateSyntaxError
from PIL import Image as Pillow
from vllm.exceptions import VLLMClientError
from vllm.renderers import BaseRenderer, ChatParams, TokenizeParams
from vllm.renderers.chat_utils import ChatTemplateResolutionError

from services.core.errors import InvalidRequestError, ModelFailedError
from services.generation.domain import EngineRequest, Image
from services.generation.engines.pictures import PictureDecoder, refused_image
from services.generation.messages import one_line

# Digests of pictures that vLLM may still hold processed; forgetting one costs a decoding.
_REMEMBERED_PICTURES = 10_000


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """What vLLM generates from, and how many tokens it and the picture in it take."""

    content: dict[str, object]
    token_count: int
    image_token_count: int


class PromptRenderer:
    """Renders prompts of one model.

    Args:
        renderer: vLLM's own, of the running engine.
        chat_template: Jinja template in place of the one that comes with the weights.
    """

    def __init__(self, renderer: BaseRenderer, chat_template: str | None) -> None:
        self._renderer = renderer
        self._chat = ChatParams(
            chat_template=chat_template, chat_template_kwargs={"add_generation_prompt": True}
        )
        self._tokenize = _tokenizing(add_special_tokens=False)
        self._pictures = PictureDecoder()
        self._processed: OrderedDict[str, None] = OrderedDict()

    async def prepare(self) -> None:
        """Finds out whether the template writes the beginning-of-text token itself.

        Raises:
            ModelFailedError: There is no template, or it is no valid Jinja.
        """
        message = _message([{"type": "text", "text": "A"}])
        try:
            bare = await self._token_ids(message, add_special_tokens=False)
            whole = await self._token_ids(message, add_special_tokens=True)
        except Exception as error:
            if broken := _template_fault(error):
                raise ModelFailedError(broken) from error
            # A template may well refuse a conversation without a picture.
            return
        start = self._renderer.get_tokenizer().bos_token_id
        # As transformers' processors do it: LLaVA-1.5, say, was trained with a token that its
        # template leaves out.
        if start is not None and bare[0] != start and whole == [start, *bare]:
            self._tokenize = _tokenizing(add_special_tokens=True)

    async def render(self, request: EngineRequest) -> RenderedPrompt:
        """Renders a request; a picture that was asked about before is neither decoded nor sent.

        Raises:
            InvalidRequestError: The template refuses the request, or the processor the picture.
        """
        if request.image is None:
            return await self._apply(request, None, None)
        if request.image.digest in self._processed:
            try:
                return await self._apply(request, request.image, None)
            except (InvalidRequestError, VLLMClientError):
                # vLLM has dropped it meanwhile, and says so in a ValueError's text only.
                self.forget(request.image)
        async with self._pictures.decoded(request.image) as picture:
            rendered = await self._apply(request, request.image, picture)
        self._remember(request.image)
        return rendered

    def forget(self, image: Image) -> None:
        """Has the picture decoded the next time, as vLLM's engine lacks it after all."""
        self._processed.pop(image.digest, None)

    def _remember(self, image: Image) -> None:
        self._processed[image.digest] = None
        self._processed.move_to_end(image.digest)
        if len(self._processed) > _REMEMBERED_PICTURES:
            self._processed.popitem(last=False)

    async def _apply(
        self, request: EngineRequest, image: Image | None, picture: Pillow.Image | None
    ) -> RenderedPrompt:
        parts: list[dict[str, object]] = [{"type": "text", "text": request.instruction}]
        if image is not None:
            # The digest is vLLM's cache key: without pixels it stands for what is cached.
            parts.insert(0, {"type": "image_pil", "image_pil": picture, "uuid": image.digest})
        messages = _message(parts)
        if request.system_text:
            messages.insert(0, {"role": "system", "content": request.system_text})
        try:
            _, (prompt,) = await self._renderer.render_chat_async(
                [messages], self._chat, self._tokenize
            )
        except VLLMClientError:
            raise
        except ValueError as error:
            if image is not None:
                raise refused_image() from error
            raise InvalidRequestError("the model's chat template refuses the request") from error
        places = prompt.get("mm_placeholders", {}).get("image", ())
        image_tokens = sum(place.get_num_embeds() for place in places)
        return RenderedPrompt(prompt, len(prompt["prompt_token_ids"]), image_tokens)

    async def _token_ids(
        self, messages: list[dict[str, object]], *, add_special_tokens: bool
    ) -> list[int]:
        _, (prompt,) = await self._renderer.render_chat_async(
            [messages], self._chat, _tokenizing(add_special_tokens=add_special_tokens)
        )
        return list(prompt["prompt_token_ids"])


def _message(parts: list[dict[str, object]]) -> list[dict[str, object]]:
    return [{"role": "user", "content": parts}]


def _tokenizing(*, add_special_tokens: bool) -> TokenizeParams:
    # The engine checks the length itself, and says more about it.
    return TokenizeParams(max_total_tokens=None, add_special_tokens=add_special_tokens)


def _template_fault(error: BaseException | None) -> str:
    """Says what is wrong with the template itself; empty where it only refused the request."""
    while error is not None:
        if isinstance(error, TemplateSyntaxError):
            return f"the chat template is no valid Jinja, line {error.lineno}: {one_line(error)}"
        if isinstance(error, ChatTemplateResolutionError):
            return "the weights bring no chat template; name one with the key chat_template"
        error = error.__cause__
    return ""
