"""A folder of images named by their digests, which several fronts share."""

import asyncio
import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

import structlog

from services.core.digests import PREFIX, digest_of
from services.core.errors import UserInputError
from services.generation.domain import Image
from services.generation.messages import one_line

_log = structlog.get_logger()

_UNFINISHED = ".unfinished-"
# Nobody writes for an hour: whoever began such a file has died.
_UNFINISHED_MAX_AGE_S = 3600.0
# Measured: looking at 20,000 files took 0.25 s on a local disk, in the front. So it is done only
# once such a part of the limit has been written.
_SPARE_PARTS = 64


class ImageFolder:
    """Keeps images on a disk that every front reaches, the last used ones up to a limit.

    Files appear whole or not at all, and what is read is checked against its name.

    Args:
        folder: Where; it is made if it is missing.
        max_bytes: Size of all images together; each further front may add a 64th.

    Raises:
        UserInputError: Nothing can be written there.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._spare_bytes = max_bytes // _SPARE_PARTS
        self._most_after_trim = max_bytes - self._spare_bytes
        self._untrimmed_bytes = self._spare_bytes  # nobody knows what lies there
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / (_UNFINISHED + secrets.token_hex(8))
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UserInputError(
                f"the image folder {folder} cannot be written to: {one_line(error)}"
            ) from error

    async def read(self, digest: str) -> Image | None:
        """Reads an image, if it is there and whole."""
        return await asyncio.to_thread(self._read, digest)

    async def write(self, image: Image) -> None:
        """Stores an image; a disk that is full or gone is logged, and the image not shared."""
        try:
            await asyncio.to_thread(self._write, image)
        except OSError as error:
            _log.warning("image_not_shared", folder=str(self._folder), error=one_line(error))

    def _file(self, digest: str) -> Path:
        return self._folder / digest.removeprefix(PREFIX)

    def _read(self, digest: str) -> Image | None:
        file = self._file(digest)
        try:
            data = file.read_bytes()
            if digest_of(data) != digest:
                file.unlink(missing_ok=True)
                return None
            os.utime(file)  # the last used ones stay
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("image_not_read", file=str(file), error=one_line(error))
            return None
        return Image(data, digest)

    def _write(self, image: Image) -> None:
        file = self._file(image.digest)
        unfinished = self._folder / (_UNFINISHED + secrets.token_hex(8))
        try:
            unfinished.write_bytes(image.data)
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
        self._untrimmed_bytes += len(image.data)
        if self._untrimmed_bytes > self._spare_bytes:
            self._untrimmed_bytes = 0
            self._trim()

    def _trim(self) -> None:
        """Removes what was used the longest ago, as other fronts may be doing too."""
        oldest_unfinished = time.time() - _UNFINISHED_MAX_AGE_S
        files: list[tuple[float, int, Path]] = []
        for file in self._folder.iterdir():
            with suppress(FileNotFoundError):
                status = file.stat()
                if not file.name.startswith(_UNFINISHED):
                    files.append((status.st_mtime, status.st_size, file))
                elif status.st_mtime < oldest_unfinished:
                    file.unlink(missing_ok=True)
        excess = sum(size for _, size, _ in files) - self._most_after_trim
        for _, size, file in sorted(files):
            if excess <= 0:
                return
            file.unlink(missing_ok=True)
            excess -= size
