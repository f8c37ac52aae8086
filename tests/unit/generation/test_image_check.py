"""Pictures are checked in worker processes, which hostile ones may cost, and nothing else."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator

import psutil
import pytest
from PIL import Image as Pillow
from structlog.testing import capture_logs

from services.core.digests import digest_of
from services.core.errors import (
    ImageInvalidError,
    ImageTooLargeError,
    InternalError,
)
from services.core.sandbox import process as sandbox_process
from services.generation import image_worker
from services.generation.domain import Image
from services.generation.image_check import ImageChecker
from services.generation.image_worker import Verdict
from services.generation.images import ImageLimits
from tests.fuzz.hostile_images import encode, jpeg_with_segments
from tests.unit.generation.builders import picture, until

LIMITS = ImageLimits(max_bytes=20 * 2**20, max_pixels=1_000_000, max_aspect_ratio=10)
# It takes seconds to read and holds nothing: a JPEG with millions of empty segments.
ENDLESS = jpeg_with_segments(b"\xff\xe3\x00\x02", 4_000_000)


def image(data: bytes) -> Image:
    return Image(data, digest_of(data))


def workers() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it may be ending
            if "image_worker" in " ".join(child.cmdline()):
                found.append(child)
    return found


@pytest.fixture
async def checker() -> AsyncIterator[ImageChecker]:
    checker = ImageChecker(LIMITS)
    yield checker
    await checker.close()


async def test_a_good_picture_passes_and_is_decoded_once(checker: ImageChecker) -> None:
    await checker.check(picture())
    (worker,) = workers()
    worker.suspend()  # it could not answer a second time
    await checker.check(picture())
    worker.resume()


async def test_no_process_runs_before_there_is_a_picture(checker: ImageChecker) -> None:
    assert workers() == []


async def test_a_picture_that_was_refused_is_refused_again_without_looking(
    checker: ImageChecker,
) -> None:
    broken = image(b"no picture")
    with pytest.raises(ImageInvalidError, match="no JPEG") as first:
        await checker.check(broken)
    (worker,) = workers()
    worker.suspend()
    with pytest.raises(ImageInvalidError, match="no JPEG") as second:
        await checker.check(broken)
    worker.resume()
    assert first.value is not second.value
    assert second.value.violations[0].field == "image.data"


async def test_limits_are_those_of_the_service_and_of_the_model(checker: ImageChecker) -> None:
    await checker.check(picture(edge=16), ImageLimits(max_pixels=256))
    with pytest.raises(ImageTooLargeError, match="256 pixels; at most 255") as caught:
        await checker.check(picture(edge=16), ImageLimits(max_pixels=255))
    assert caught.value.metadata == {"pixels": "256", "max_pixels": "255"}
    with pytest.raises(ImageTooLargeError, match="at most 10 are accepted"):
        await checker.check(picture(edge=16), ImageLimits(max_bytes=10))
    with pytest.raises(ImageTooLargeError, match="at most 1000000"):
        await checker.check(picture(edge=1001))


async def test_a_picture_that_takes_too_much_computation_costs_its_worker_only(
    checker: ImageChecker,
) -> None:
    with capture_logs() as logs, pytest.raises(ImageInvalidError, match="too much computation"):
        await checker.check(image(ENDLESS))
    assert [(log["event"], log["exit_code"]) for log in logs] == [
        ("image_worker_lost", -signal.SIGPROF)
    ]
    await checker.check(picture())


async def test_a_picture_that_takes_too_much_memory_is_refused() -> None:
    # libwebp makes two canvases of 4 bytes a pixel before the size can be checked: 288 MB here. The
    # worker has 128 MiB to spare, and 24 bytes for each of 1000 pixels.
    large = image(encode(Pillow.new("RGB", (6000, 6000)), "WEBP", lossless=True))
    checker = ImageChecker(ImageLimits(max_bytes=2**20, max_pixels=1000))
    try:
        with pytest.raises(ImageInvalidError, match="cannot be decoded"):
            await checker.check(large)
        await checker.check(picture())
    finally:
        await checker.close()


def test_memory_that_runs_out_is_the_pictures_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def starve(data: bytes, limits: ImageLimits) -> Pillow.Image:
        raise MemoryError

    monkeypatch.setattr(image_worker, "decode_image", starve)
    verdict = image_worker.judge(picture().data, LIMITS)
    assert verdict.refusal == "IMAGE_TOO_LARGE"
    assert verdict.message == "the image takes too much memory to be decoded"


async def test_a_worker_that_is_killed_is_replaced_and_the_picture_judged(
    checker: ImageChecker,
) -> None:
    await checker.check(picture())
    (worker,) = workers()
    worker.kill()
    await checker.check(picture("blue"))
    (other,) = workers()
    assert other.pid != worker.pid


async def test_a_worker_that_is_lost_twice_over_a_picture_condemns_it(
    checker: ImageChecker,
) -> None:
    await checker.check(picture())
    checking = asyncio.ensure_future(checker.check(image(ENDLESS)))
    for _ in range(2):
        (victim,) = [worker.pid for worker in workers()]
        await until(lambda victim=victim: is_busy(victim))
        os.kill(victim, signal.SIGSEGV)
        await until(lambda victim=victim: victim not in {worker.pid for worker in workers()})
        await until(lambda: checking.done() or bool(workers()))
    with pytest.raises(ImageInvalidError, match="crashes its decoder"):
        await checking


def is_busy(pid: int) -> bool:
    """Whether a worker has more in memory than one that waits: the picture."""
    return bool(psutil.Process(pid).memory_info().rss > 35 * 2**20)


async def test_a_worker_that_answers_nothing_is_replaced(
    checker: ImageChecker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await checker.check(picture())
    (worker,) = workers()
    worker.suspend()
    monkeypatch.setattr(sandbox_process, "_STUCK_S", 3.0)
    monkeypatch.setattr(sandbox_process, "_END_S", 0.1)
    await checker.check(picture("blue"))
    assert not worker.is_running()


async def test_workers_that_cannot_start_are_our_fault_and_not_the_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    checker = ImageChecker(LIMITS)
    for _ in range(3):  # and none of them keeps its place
        with pytest.raises(InternalError, match="ended with code 1"):
            await checker.check(picture())
    await checker.close()


async def test_a_caller_who_gives_up_leaves_the_worker_in_order(checker: ImageChecker) -> None:
    for _ in range(20):
        checks = [
            asyncio.ensure_future(checker.check(picture(colour))) for colour in ("red", "blue")
        ]
        await asyncio.sleep(0.005)
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)
    await checker.check(picture())
    with pytest.raises(ImageInvalidError):
        await checker.check(image(b"no picture"))
    assert len(workers()) <= 2


async def test_many_at_once_are_judged_by_two_workers(checker: ImageChecker) -> None:
    pictures = [picture(f"#{number:06x}") for number in range(40)]
    await asyncio.gather(*(checker.check(item) for item in pictures * 2))
    assert len(workers()) == 2


async def test_nothing_runs_after_the_end() -> None:
    checker = ImageChecker(LIMITS)
    await checker.check(picture())
    checking = asyncio.ensure_future(checker.check(image(ENDLESS)))
    await asyncio.sleep(0.1)
    await checker.close()
    assert workers() == []
    with pytest.raises((asyncio.CancelledError, ImageInvalidError)):
        await checking


async def test_workers_end_with_the_process_that_started_them(checker: ImageChecker) -> None:
    await checker.check(picture())
    used = [worker._process for worker in checker._workers._processes]
    (process,) = [process for process in used if process is not None]
    assert process.stdin is not None
    process.stdin.close()  # as the kernel does for a process that is killed
    assert await asyncio.wait_for(process.wait(), 20) == 0


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(3, 4),
        Verdict.of(ImageTooLargeError("too large", pixels="9", max_pixels="8")),
        Verdict.of(ImageInvalidError("broken")),
    ],
    ids=["good", "too-large", "invalid"],
)
def test_verdicts_survive_the_way_between_processes(verdict: Verdict) -> None:
    assert Verdict.from_json(verdict.to_json()) == verdict


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[1]",
        b'[1,1,"INTERNAL","",[]]',
        b'[0,0,"INTERNAL","no",[]]',
        b'[1,"1","","",[]]',
    ],
)
def test_a_verdict_that_makes_no_sense_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"no sense|JSON|Expecting"):
        Verdict.from_json(text)
