"""Decodes strangers' pictures in a sandboxed process, which a hostile one may cost."""

import json
import os
from dataclasses import asdict
from pathlib import Path

from PIL import Image as Pillow

from services.core.sandbox.inside import allow_computation, serve
from services.core.sandbox.picture_budgets import computation_budget, memory_budget
from services.dataset.failures import PictureError, Reason
from services.dataset.pictures import Picture, check_picture


def main(max_bytes: int, max_pixels: int) -> None:
    """Checks the files whose paths come, until standard input ends."""
    Pillow.init()  # before memory is limited by what there is now

    def check(request: bytes) -> bytes:
        allow_computation(computation_budget(max_pixels))
        found = _check(Path(os.fsdecode(request)), max_bytes, max_pixels)
        allow_computation(0)
        return json.dumps(found).encode()

    serve(check, memory_budget(max_bytes, max_pixels))


def _check(file: Path, max_bytes: int, max_pixels: int) -> dict[str, object]:
    try:
        return asdict(check_picture(file, max_bytes=max_bytes, max_pixels=max_pixels))
    except PictureError as error:
        return {"reason": error.reason.value, "detail": error.detail}
    except MemoryError:
        detail = "it takes too much memory to be decoded"
        return {"reason": Reason.TOO_COSTLY.value, "detail": detail}
    except OSError as error:
        return {"failure": f"{file}: {error.strerror or error}"}


def read_verdict(answer: bytes) -> Picture:
    """Reads what a worker found; nothing that a decoder was tricked into can run here.

    Raises:
        PictureError: The picture is no good.
        OSError: The file cannot be read.
        ValueError: It is something else.
    """
    match json.loads(answer):
        case {"reason": str(reason), "detail": str(detail)}:
            raise PictureError(Reason(reason), detail)
        case {"failure": str(failure)}:
            raise OSError(failure)
        case {
            "digest": str(digest),
            "byte_count": int(byte_count),
            "width": int(width),
            "height": int(height),
            "suffix": str(suffix),
        }:
            return Picture(digest, byte_count, width, height, suffix)
    raise ValueError("a worker's verdict makes no sense")
