"""Decodes strangers' pictures in a sandboxed process, which a hostile one may cost.

Only what this imports is loaded there, so that a worker is up in a moment and takes a few
megabytes.
"""

import json
from dataclasses import dataclass

from PIL import Image as Pillow

from services.core.errors import (
    ErrorReason,
    FieldViolation,
    ImageInvalidError,
    ImageTooLargeError,
)
from services.core.sandbox.inside import allow_computation, serve
from services.core.sandbox.picture_budgets import computation_budget, memory_budget
from services.generation.images import ImageLimits, decode_image, image_size

_KINDS: dict[str, type[ImageInvalidError | ImageTooLargeError]] = {
    ErrorReason.IMAGE_INVALID: ImageInvalidError,
    ErrorReason.IMAGE_TOO_LARGE: ImageTooLargeError,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of decoding a picture.

    Attributes:
        width: In pixels, once upright; 0 for a picture that is refused.
        height: Likewise.
        refusal: Reason of the refusal, empty for a good picture.
        message: What is wrong, on one line.
        metadata: The values that the message mentions.
    """

    width: int = 0
    height: int = 0
    refusal: str = ""
    message: str = ""
    metadata: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, error: ImageInvalidError | ImageTooLargeError) -> "Verdict":
        """Makes the verdict that raises such an error."""
        return cls(0, 0, error.reason, error.message, tuple(error.metadata.items()))

    def raise_refusal(self) -> None:
        """Raises the error that the picture deserves, if any.

        Raises:
            ImageTooLargeError: It exceeds a limit.
            ImageInvalidError: It is broken, or cannot be decoded within the budgets.
        """
        if self.refusal:
            violations = (FieldViolation("image.data", self.message),)
            raise _KINDS[self.refusal](self.message, violations=violations, **dict(self.metadata))

    def to_json(self) -> bytes:
        """Writes it down; nothing that a decoder was tricked into can run where it is read."""
        fields = (self.width, self.height, self.refusal, self.message, self.metadata)
        return json.dumps(fields).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Verdict":
        """Reads what :meth:`to_json` wrote.

        Raises:
            ValueError: It is something else.
        """
        match json.loads(text):
            case [int(width), int(height), "", "", []]:
                return cls(width, height)
            case [0, 0, str(refusal), str(message), list(pairs)] if refusal in _KINDS:
                return cls(0, 0, refusal, message, tuple((str(k), str(v)) for k, v in pairs))
        raise ValueError("a worker's verdict makes no sense")


def judge(data: bytes, limits: ImageLimits) -> Verdict:
    """Decodes a picture; kills this process if that takes too much computation."""
    try:
        allow_computation(computation_budget())
        width, height = image_size(data, limits)
        allow_computation(computation_budget(width * height))
        with decode_image(data, limits) as image:
            return Verdict(*image.size)
    except (ImageInvalidError, ImageTooLargeError) as error:
        return Verdict.of(error)
    except MemoryError:
        return Verdict.of(ImageTooLargeError("the image takes too much memory to be decoded"))
    finally:
        allow_computation(0)


def main(max_bytes: int | None, max_pixels: int | None, max_aspect_ratio: float | None) -> None:
    """Judges pictures until standard input ends."""
    limits = ImageLimits(max_bytes, max_pixels, max_aspect_ratio)
    Pillow.init()  # before memory is limited by what there is now
    memory_bytes = None
    if max_bytes is not None and max_pixels is not None:
        memory_bytes = memory_budget(max_bytes, max_pixels)
    serve(lambda data: judge(data, limits).to_json(), memory_bytes)
