"""Writes a request for chat completions."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO

from PIL import Image as Pillow

from services.core.errors import UnsupportedParameterError
from services.generation.capabilities import lacking_fields, unsupported_fields
from services.generation.catalog import ModelSpec, OpenAISpec
from services.generation.domain import EngineRequest, Image, Sampling
from services.generation.engines.pictures import PictureDecoder
from services.generation.images import SUPPORTED_FORMATS

# What providers take: https://platform.openai.com/docs/guides/images-vision, "Image input
# requirements". Of these, everybody sees the same in the modes below.
_PASSED_FORMATS = {"JPEG": "jpeg", "PNG": "png", "WEBP": "webp", "GIF": "gif"}
_PASSED_MODES = ("RGB", "L", "P", "1")
_EXIF_ORIENTATION = 0x0112
# Where a PNG says the same; Pillow would have to decode it to find out.
_PNG_ORIENTATIONS = (b"eXIf", b"tiff:Orientation")
# Providers decode it again at once; a small file is not worth the time.
_PNG_COMPRESSION = 1

# Source: https://platform.openai.com/docs/api-reference/chat/create
_DEFAULTS: Mapping[str, float] = {
    "temperature": 1.0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
_VLLM_FIELDS = ("top_k", "repetition_penalty", "min_tokens")


class RequestWriter:
    """Writes the bodies of one model's requests.

    Args:
        spec: The model's catalog entry.
        endpoint: Its endpoint.
    """

    def __init__(self, spec: ModelSpec, endpoint: OpenAISpec) -> None:
        self._spec = spec
        self._endpoint = endpoint
        self._lacking = lacking_fields(spec)
        self._pictures = PictureDecoder()

    def effective(self, sampling: Sampling) -> Sampling:
        """Gives the sampling as the endpoint applies it.

        Raises:
            UnsupportedParameterError: It cannot apply it.
        """
        violations = unsupported_fields(self._spec, sampling)
        # A drawn seed is nobody's wish; without one sent, there is none to report.
        wrong = [found for found in violations if found.field != "sampling.seed"]
        if wrong:
            message = f"{wrong[0].field} {wrong[0].description}"
            raise UnsupportedParameterError(message, violations=tuple(wrong))
        return replace(sampling, seed=None) if "seed" in self._lacking else sampling

    async def body(self, request: EngineRequest, sampling: Sampling) -> bytes:
        """Writes a request's body; a picture goes in its own encoding where that is unambiguous.

        Raises:
            ImageInvalidError: The picture must be encoded anew and is broken.
        """
        fields = {**self._sampling_fields(sampling), **self._fixed_fields()}
        if request.image is None:
            return _encode({**fields, "messages": _messages(request, None)})
        url = await self._image_url(request.image)
        # Tens of megabytes take a while to escape, and the loop serves all other streams.
        return await asyncio.to_thread(_encode, {**fields, "messages": _messages(request, url)})

    def _fixed_fields(self) -> dict[str, object]:
        return {
            "model": self._endpoint.model,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def _sampling_fields(self, sampling: Sampling) -> dict[str, object]:
        fields: dict[str, object] = {self._endpoint.max_tokens_field: sampling.max_tokens}
        if sampling.seed is not None:
            fields["seed"] = sampling.seed
        if sampling.stop:
            fields["stop"] = list(sampling.stop)
        named = {name: getattr(sampling, name) for name in _DEFAULTS}
        if self._endpoint.dialect == "vllm":
            # Left out, the defaults of the model's generation_config.json would apply.
            named |= {name: getattr(sampling, name) for name in _VLLM_FIELDS}
        else:
            # Some models refuse fields that others need, even at the value that changes nothing.
            named = {name: value for name, value in named.items() if value != _DEFAULTS[name]}
        return fields | {name: value for name, value in named.items() if name not in self._lacking}

    async def _image_url(self, image: Image) -> str:
        mime = await asyncio.to_thread(passed_type, image.data)
        if mime is not None:
            return await asyncio.to_thread(_data_url, mime, image.data)
        async with self._pictures.decoded(image) as picture:
            return await asyncio.to_thread(_png_url, picture)


def passed_type(data: bytes) -> str | None:
    """Names the media type of a picture that any provider sees as our own engines do.

    None for one that has to be encoded anew: TIFF; and what is read differently here and there,
    that is several frames, an EXIF orientation, transparency, CMYK and 16 bits a channel.
    """
    try:
        with Pillow.open(BytesIO(data), formats=SUPPORTED_FORMATS) as image:
            subtype = _PASSED_FORMATS.get(image.format or "")
            is_plain = (
                image.mode in _PASSED_MODES
                and getattr(image, "n_frames", 1) == 1
                and not image.has_transparency_data
                and _is_upright(image, data)
            )
    except Exception:  # noqa: BLE001 - decoders raise nearly anything on hostile bytes
        # Decoding it will say what is wrong.
        return None
    return f"image/{subtype}" if subtype is not None and is_plain else None


def _is_upright(image: Pillow.Image, data: bytes) -> bool:
    if image.format == "PNG":
        return not any(mark in data for mark in _PNG_ORIENTATIONS)
    return bool(image.getexif().get(_EXIF_ORIENTATION, 1) == 1)


def _messages(request: EngineRequest, image_url: str | None) -> list[Mapping[str, object]]:
    messages: list[Mapping[str, object]] = []
    if request.system_text:
        messages.append({"role": "system", "content": request.system_text})
    if image_url is None:
        # A plain text, as servers without vision know nothing else.
        messages.append({"role": "user", "content": request.instruction})
        return messages
    image_part = {"type": "image_url", "image_url": {"url": image_url}}
    text_part = {"type": "text", "text": request.instruction}
    messages.append({"role": "user", "content": [image_part, text_part]})
    return messages


def _encode(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()


def _data_url(mime: str, data: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def _png_url(picture: Pillow.Image) -> str:
    buffer = BytesIO()
    picture.save(buffer, "PNG", compress_level=_PNG_COMPRESSION)
    return _data_url("image/png", buffer.getvalue())
