"""Decodes strangers' pictures in a process of its own, which a hostile one may cost.

``main`` reads the paths of files from standard input and writes what it finds to standard output, a
line of JSON each. The kernel holds the process to its budgets: beyond its memory an allocation
fails, and beyond its time of computation it is killed.
"""

import ctypes
import json
import resource
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from PIL import Image as Pillow

from services.dataset.failures import PictureError, Reason
from services.dataset.pictures import Picture, check_picture

# Ten times what the slowest honest picture takes: 0.03 µs a pixel of WebP were measured, while
# 200 kB of JPEG scans take seconds, and 20 MB of them hours.
_CPU_S = 1.0
_CPU_S_PER_PIXEL = 0.2e-6

# Measured: 16 bytes a pixel for WebP, 12 for a progressive CMYK JPEG, 8 for most; and up to
# 64 MiB of texts in a PNG, which is Pillow's own bound.
_MEMORY_PER_PIXEL = 24
_MEMORY_PER_ENCODED_BYTE = 4
_SPARE_MEMORY = 128 * 2**20

# From malloc.h: allocations of so many bytes or more are made, and returned, one by one.
_M_MMAP_THRESHOLD = -3


def memory_budget(max_bytes: int, max_pixels: int) -> int:
    """Bytes that a worker may take besides what it has when it begins."""
    return _SPARE_MEMORY + max_pixels * _MEMORY_PER_PIXEL + max_bytes * _MEMORY_PER_ENCODED_BYTE


def main(max_bytes: int, max_pixels: int) -> None:
    """Checks pictures until standard input ends; an empty line says that it has begun."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which ends this
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    _give_memory_back()
    Pillow.init()  # before memory is limited by what there is now
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory(memory_budget(max_bytes, max_pixels))
    _say("")
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, _CPU_S + _CPU_S_PER_PIXEL * max_pixels)
        found = _check(Path(json.loads(line)), max_bytes, max_pixels)
        signal.setitimer(signal.ITIMER_PROF, 0)
        _say(json.dumps(found))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


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


def read_verdict(line: bytes) -> Picture:
    """Reads what a worker found; nothing that a decoder was tricked into can run here.

    Raises:
        PictureError: The picture is no good.
        OSError: The file cannot be read.
        ValueError: It is something else.
    """
    match json.loads(line):
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


def _limit_memory(more_bytes: int) -> None:
    """Lets this process take so much more memory than it has now."""
    statm = Path("/proc/self/statm")  # Linux only, as is a limit that the kernel enforces
    if statm.exists():
        now = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        most = min(now + more_bytes, sys.maxsize)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _give_memory_back() -> None:
    """Has glibc return the memory of a large picture to the machine; elsewhere nothing is done."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**20)
