"""Decodes strangers' pictures in a process of its own, which a hostile one may cost.

``main`` reads pictures from standard input and writes a verdict on each to standard output, both
behind their length in four bytes. The kernel holds the process to its budgets: beyond its memory an
allocation fails, and beyond its time of computation it is killed. Only what this imports is loaded,
so that a worker is up in a moment and takes a few megabytes.
"""

import ctypes
import json
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image as Pillow

from services.core.errors import (
    ErrorReason,
    FieldViolation,
    ImageInvalidError,
    ImageTooLargeError,
)
from services.generation.images import ImageLimits, decode_image, image_size

LENGTH_BYTES = 4

# Measured on one 2.5 GHz core: 0.03 µs a pixel for the slowest format (WebP), 0.05 s at most for
# the header of a picture that anybody would send. What a hostile file takes is without bound:
# 200 kB of JPEG scans took 5.5 s, and 20 MB would take hours.
_HEADER_CPU_S = 1.0
_CPU_S_PER_PIXEL = 0.2e-6

# Measured: 16 bytes a pixel for WebP, 12 for a progressive CMYK JPEG, 8 for most; and up to
# 64 MiB of texts in a PNG, which is Pillow's own bound.
_MEMORY_PER_PIXEL = 24
_MEMORY_PER_ENCODED_BYTE = 4
_SPARE_MEMORY = 128 * 2**20

# From malloc.h: allocations of so many bytes or more are made, and returned, one by one.
_M_MMAP_THRESHOLD = -3

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
        _allow_cpu(_HEADER_CPU_S)
        width, height = image_size(data, limits)
        _allow_cpu(_HEADER_CPU_S + _CPU_S_PER_PIXEL * width * height)
        with decode_image(data, limits) as image:
            return Verdict(*image.size)
    except (ImageInvalidError, ImageTooLargeError) as error:
        return Verdict.of(error)
    except MemoryError:
        return Verdict.of(ImageTooLargeError("the image takes too much memory to be decoded"))
    finally:
        _allow_cpu(0)


def main(max_bytes: int | None, max_pixels: int | None, max_aspect_ratio: float | None) -> None:
    """Judges pictures until standard input ends; an empty frame says that it has begun."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the service, which ends this
    limits = ImageLimits(max_bytes, max_pixels, max_aspect_ratio)
    _give_memory_back()
    Pillow.init()  # before memory is limited by what there is now
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if max_bytes is not None and max_pixels is not None:
        _limit_memory(
            _SPARE_MEMORY + max_pixels * _MEMORY_PER_PIXEL + max_bytes * _MEMORY_PER_ENCODED_BYTE
        )
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sink.write(bytes(LENGTH_BYTES))
    sink.flush()
    while header := source.read(LENGTH_BYTES):
        verdict = judge(source.read(int.from_bytes(header, "big")), limits).to_json()
        sink.write(len(verdict).to_bytes(LENGTH_BYTES, "big") + verdict)
        sink.flush()


def _allow_cpu(seconds: float) -> None:
    """Has the kernel kill this process after so much computation from now; 0 takes that back."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory(more_bytes: int) -> None:
    """Lets this process take so much more memory than it has now."""
    statm = Path("/proc/self/statm")  # Linux only, as is a limit that the kernel enforces
    if statm.exists():
        now = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        most = min(now + more_bytes, sys.maxsize)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _give_memory_back() -> None:
    """Has glibc return the memory of a large picture to the machine; elsewhere nothing is done.

    By default it learns from large pictures to keep what they took: 200 MB a worker were measured.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**20)
