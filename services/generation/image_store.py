"""The images that a front holds: those in use, and the last used ones in case they come again."""

from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

from services.core.errors import ImageNotFoundError, OverloadedError
from services.core.return_times import ReturnTimes
from services.generation.domain import Image, ImageReference, Lane
from services.generation.image_folder import ImageFolder
from services.generation.lanes import reserve


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """How many bytes of encoded images a front holds.

    Attributes:
        max_kept_bytes: Images that nobody uses at the moment.
        max_used_bytes: Images of the requests and uploads in flight; one that several requests
            use counts once.
        interactive_share: Part of the latter that only interactive requests may take.
    """

    max_kept_bytes: int
    max_used_bytes: int
    interactive_share: float


@dataclass(slots=True)
class _Used:
    image: Image
    users: int = 0
    is_good: bool = False


class ImageStore:
    """Finds images by their digest, and bounds the memory that images take.

    An image in use stays, whatever else comes; of the others, those used the longest ago go first.

    Args:
        limits: How much it holds.
        folder: Where images are shared with other fronts, if anywhere.
    """

    def __init__(self, limits: StoreLimits, folder: ImageFolder | None = None) -> None:
        self._limits = limits
        self._folder = folder
        self._used: dict[str, _Used] = {}
        self._used_bytes = 0
        self._kept: OrderedDict[str, Image] = OrderedDict()
        self._kept_bytes = 0
        self._return_times = ReturnTimes()
        self._lookups = Counter({"hit": 0, "folder": 0, "miss": 0})

    @property
    def used_bytes(self) -> int:
        """Bytes of the images in use, and of those that are being uploaded."""
        return self._used_bytes

    @property
    def kept_bytes(self) -> int:
        """Bytes of the images that are kept for later."""
        return self._kept_bytes

    @property
    def kept_count(self) -> int:
        """How many images are kept for later."""
        return len(self._kept)

    @property
    def lookups(self) -> dict[str, int]:
        """How often an image was named by its digest, and where it was: hit, folder or miss."""
        return dict(self._lookups)

    def known(self, image: Image) -> Image:
        """Gives the image as it is held already, so that equal copies of it need not be kept."""
        if image.digest in self._used:
            return self._used[image.digest].image
        return self._kept.get(image.digest, image)

    @asynccontextmanager
    async def use(self, asked: Image | ImageReference, lane: Lane) -> AsyncIterator[Image]:
        """Holds an image while it is in use.

        Args:
            asked: The image, or the name of one that should be here.
            lane: The lane of the request that uses it.

        Raises:
            ImageNotFoundError: There is none of this digest.
            OverloadedError: The images in use take all the memory they may.
        """
        used = self._used.get(asked.digest)
        if used is None:
            image = await self._find(asked)
            # Another request may have found it meanwhile.
            used = self._used.get(asked.digest) or self._begin_use(image, lane)
        elif isinstance(asked, ImageReference):
            self._lookups["hit"] += 1
        used.users += 1
        try:
            yield used.image
        finally:
            used.users -= 1
            if not used.users:
                self._end_use(used)

    def approve(self, image: Image) -> None:
        """Notes that an image in use is whole, and worth keeping afterwards."""
        self._used[image.digest].is_good = True

    @contextmanager
    def reserve(self, size_bytes: int) -> Iterator[None]:
        """Holds room for an image that is being uploaded.

        Raises:
            OverloadedError: The images in use take all the memory they may.
        """
        self._take(size_bytes, Lane.SWEEP)
        try:
            yield
        finally:
            self._give_back(size_bytes)

    async def size_of(self, digest: str) -> int | None:
        """Gives the size of an image in bytes, and None if it is not here; counts as its use."""
        if digest in self._used and self._used[digest].is_good:
            return len(self._used[digest].image.data)
        known = self._kept.get(digest)
        if known is None and self._folder is not None:
            known = await self._folder.read(digest)
        if known is None:
            return None
        self._keep(known)
        return len(known.data)

    async def put(self, image: Image) -> None:
        """Keeps an image that was found to be whole, and shares it with the other fronts."""
        self._keep(image)
        if self._folder is not None:
            await self._folder.write(image)

    async def _find(self, asked: Image | ImageReference) -> Image:
        if isinstance(asked, Image):
            return asked
        image, place = self._kept.get(asked.digest), "hit"
        if image is None and self._folder is not None:
            image, place = await self._folder.read(asked.digest), "folder"
        self._lookups["miss" if image is None else place] += 1
        if image is None:
            raise ImageNotFoundError(
                f"no image {asked.digest} is stored here; send its bytes", digest=asked.digest
            )
        return image

    def _begin_use(self, image: Image, lane: Lane) -> _Used:
        self._take(len(image.data), lane)
        kept = self._kept.pop(image.digest, None)
        if kept is None:
            used = _Used(image)
        else:
            self._kept_bytes -= len(kept.data)
            used = _Used(kept, is_good=True)
        self._used[image.digest] = used
        return used

    def _end_use(self, used: _Used) -> None:
        del self._used[used.image.digest]
        self._give_back(len(used.image.data))
        if used.is_good:
            self._keep(used.image)

    def _keep(self, image: Image) -> None:
        if image.digest in self._used:
            self._used[image.digest].is_good = True  # it is kept once nobody uses it any more
            return
        known = self._kept.pop(image.digest, None)
        self._kept[image.digest] = known or image
        self._kept_bytes += 0 if known else len(image.data)
        while self._kept_bytes > self._limits.max_kept_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._kept_bytes -= len(oldest.data)

    def _take(self, size_bytes: int, lane: Lane) -> None:
        most = self._limits.max_used_bytes
        if lane is Lane.SWEEP:
            most -= reserve(most, self._limits.interactive_share)
        # Alone, a picture of any size that the front accepts may come.
        if self._used_bytes and self._used_bytes + size_bytes > most:
            retry_after_s = self._return_times.next_s()
            raise OverloadedError(
                f"images in flight hold {self._used_bytes} bytes, and {most} may be; "
                f"try again in {retry_after_s:.3g} s",
                retry_after_s=retry_after_s,
                max_image_bytes=str(most),
            )
        if not self._used_bytes:
            self._return_times.note_busy()
        self._used_bytes += size_bytes

    def _give_back(self, size_bytes: int) -> None:
        self._used_bytes -= size_bytes
        self._return_times.note_done()
