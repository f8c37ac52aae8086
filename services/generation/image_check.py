"""Checks the images of requests off the event loop, each picture only once."""

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from services.generation.domain import Image
from services.generation.images import ImageLimits, decode_image

# A picture being decoded takes some bytes a pixel; two at a time keep the peak bounded.
_CONCURRENT_DECODES = 2
# A sweep asks many questions about one picture; remembering its digest takes 100 bytes.
_REMEMBERED_DIGESTS = 10_000


class ImageChecker:
    """Finds out whether a picture can be decoded."""

    def __init__(self, limits: ImageLimits) -> None:
        self._limits = limits
        self._pool = ThreadPoolExecutor(_CONCURRENT_DECODES, thread_name_prefix="image-check")
        self._good: OrderedDict[str, None] = OrderedDict()

    async def check(self, image: Image) -> None:
        """Returns if the picture is whole and within the limits.

        Raises:
            ImageTooLargeError: It exceeds a limit.
            ImageInvalidError: It is broken or of an unknown format.
        """
        if image.digest in self._good:
            self._good.move_to_end(image.digest)
            return
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._pool, _decode_and_drop, image.data, self._limits)
        self._good[image.digest] = None
        while len(self._good) > _REMEMBERED_DIGESTS:
            self._good.popitem(last=False)

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _decode_and_drop(data: bytes, limits: ImageLimits) -> None:
    decode_image(data, limits).close()
