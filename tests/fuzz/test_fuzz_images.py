"""Thousands of damaged pictures, and those made to do harm: each is decoded or refused."""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import islice

import psutil
import pytest

from services.core.digests import digest_of
from services.core.errors import ImageInvalidError, ImageTooLargeError
from services.generation.domain import Image
from services.generation.image_check import ImageChecker
from services.generation.images import ImageLimits
from services.generation.settings import GenerationSettings
from tests.fuzz.hostile_images import HOSTILE, honest_images

LIMITS = ImageLimits(
    max_bytes=GenerationSettings.model_fields["image_max_bytes"].default,
    max_pixels=GenerationSettings.model_fields["image_max_pixels"].default,
    max_aspect_ratio=GenerationSettings.model_fields["image_max_aspect_ratio"].default,
)
HONEST = honest_images()
DAMAGED_OF_EACH = 600
# A worker with nothing to do was measured at 24 MiB; what a picture took is to be given back.
MOST_KEPT_BYTES = 48 * 2**20
# Of the encoded file and what reading it takes; the pixels are the worker's.
MOST_OF_THE_SERVICE_BYTES = 4 * 20 * 2**20


def workers_memory() -> list[int]:
    """Bytes that each image worker holds; this process may have other children."""
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it may be ending
            if "image_worker" in " ".join(child.cmdline()):
                found.append(child.memory_info().rss)
    assert found
    return found


@pytest.fixture
async def checker() -> AsyncIterator[ImageChecker]:
    checker = ImageChecker(LIMITS)
    yield checker
    await checker.close()


def damaged(whole: bytes, chance: random.Random) -> Iterator[bytes]:
    """The file with bytes changed, cut out, cut off, doubled or moved, over and over."""
    while True:
        data = bytearray(whole)
        for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
            place = chance.randrange(len(data)) if data else 0
            end = place + chance.choice((1, 2, 4, 16, len(data)))
            match chance.randrange(6):
                case 0:
                    data[place : place + 1] = bytes([chance.randrange(256)])
                case 1:
                    data[place : place + 4] = chance.choice(
                        (b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff", b"\0\0\0\x80")
                    )
                case 2:
                    del data[place:end]
                case 3:
                    data[place:place] = data[place:end]
                case 4:
                    data[place:place] = chance.randbytes(chance.choice((1, 4, 64)))
                case _:
                    data = data[: max(1, place)]
        yield bytes(data)


async def outcome(checker: ImageChecker, data: bytes) -> str:
    """What became of a picture; any other error fails the test."""
    try:
        await checker.check(Image(data, digest_of(data)))
    except (ImageInvalidError, ImageTooLargeError) as error:
        return error.message
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("kind", HONEST)
async def test_damaged_files_are_decoded_or_refused(checker: ImageChecker, kind: str) -> None:
    assert await outcome(checker, HONEST[kind]) == ""
    files = islice(damaged(HONEST[kind], random.Random(kind)), DAMAGED_OF_EACH)
    outcomes = [await outcome(checker, data) for data in files]
    assert "" in outcomes
    assert any(outcomes)
    assert not any("\n" in told for told in outcomes)
    # No decoder crashed, and none was busy for long.
    assert not any("crashes" in told or "computation" in told for told in outcomes)
    assert max(workers_memory()) < MOST_KEPT_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_file_costs_one_verdict_and_no_memory(
    checker: ImageChecker, name: str
) -> None:
    data = HOSTILE[name]()
    assert len(data) <= LIMITS.max_bytes  # or it would be stopped at the door
    before = psutil.Process().memory_info().rss
    await outcome(checker, data)
    assert psutil.Process().memory_info().rss - before < MOST_OF_THE_SERVICE_BYTES
    assert await outcome(checker, HONEST["jpeg"]) == ""
    assert max(workers_memory()) < MOST_KEPT_BYTES
