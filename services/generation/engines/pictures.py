"""Decodes pictures that the front has checked already, a few at a time."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from PIL import Image as Pillow

from services.core.errors import FieldViolation, ImageInvalidError
from services.generation.domain import Image
from services.generation.images import ImageLimits, decode_image

# The front has applied its limits already; whatever it let through is decoded here.
_NO_LIMITS = ImageLimits()

# An encoded picture of 6 KB may decode to 150 MB; this many are held decoded at a time.
_CONCURRENT_PICTURES = 2


class PictureDecoder:
    """Bounds how many pictures one engine holds decoded."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_CONCURRENT_PICTURES)

    @asynccontextmanager
    async def decoded(self, image: Image) -> AsyncGenerator[Pillow.Image]:
        """Gives the picture as upright RGB, and waits for a free place before it decodes.

        Raises:
            ImageInvalidError: The picture is broken.
        """
        async with self._places:
            # Large pictures take a while, and the loop serves all other streams.
            yield await asyncio.to_thread(decode_image, image.data, _NO_LIMITS)


def refused_image() -> ImageInvalidError:
    """Makes the error for a picture that a model's processor refuses."""
    # What processors raise may quote the prompt, so it stays out of the answer.
    message = "the model's processor refuses the image, perhaps for its size or shape"
    return ImageInvalidError(message, violations=(FieldViolation("image.data", message),))
