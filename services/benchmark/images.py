"""Finds the artworks' pictures on disk and reads them, a bounded number at a time."""

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from urllib.parse import unquote

from services.benchmark.picture_names import is_file, is_inside, is_url, read_url
from services.benchmark.prepared import HeldImage, read_dead_images, read_held_images
from services.core.digests import digest_of

# Why a picture is missing of which nothing is known but that.
NO_FILE = "NO_FILE"


class PictureMissingError(LookupError):
    """A question's picture is not where it should be; the message says what was looked for."""


class PictureStore:
    """Reads pictures lazily and keeps the last ones read, up to a number of bytes.

    Threads may share it.

    Args:
        folder: The dataset's folder, to which paths are relative. If ``expart dataset prepare``
            made it, its ``images.jsonl`` says which file is which picture.
        image_folder: Holds pictures whose records name an http(s) URL, as files named by the
            last part of the URL's path; also searched for relative paths.
        cache_bytes: Most bytes of pictures to keep in memory.
    """

    def __init__(
        self, folder: Path, image_folder: Path | None = None, *, cache_bytes: int = 64 * 2**20
    ) -> None:
        self._folder = folder
        self._root = folder.resolve()
        self._image_folder = image_folder
        self._cache_bytes = cache_bytes
        self._cached_bytes = 0
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._digests: dict[str, str] = {}
        self._held = read_held_images(folder)
        self._dead = read_dead_images(folder)
        # Guards the cache and its count of bytes; files are read outside it.
        self._lock = Lock()

    def find(self, image: str) -> Path:
        """Finds the file of a picture.

        Args:
            image: A question's ``image``: a relative path or an http(s) URL.

        Raises:
            PictureMissingError: There is no such file, or the path leads out of the folders.
        """
        held = self._held_file(image)
        if held is not None:
            return held
        if is_url(image):
            candidates = self._downloaded(image)
        else:
            folders = [self._folder] + ([self._image_folder] if self._image_folder else [])
            candidates = [
                folder / image for folder in folders if is_inside(folder / image, folder.resolve())
            ]
            if not candidates:
                raise PictureMissingError(f"picture path {image} leads out of {self._folder}")
        for file in candidates:
            if is_file(file):
                return file
        self._refuse_dead(image)
        looked_for = " or ".join(str(file) for file in candidates)
        raise PictureMissingError(f"picture {image} is missing: there is no file {looked_for}")

    def reason_missing(self, image: str) -> str:
        """Why a missing picture is missing, in one word: a dead link's reason, or ``NO_FILE``."""
        dead = self._dead.get(image)
        return NO_FILE if dead is None else dead.reason

    def digest(self, image: str) -> str:
        """Names a picture by its content, ``sha256:…``; the file is read the first time only.

        It is not read at all where a prepared folder notes the digest and the file has not been
        touched since.

        Raises:
            PictureMissingError: There is no such file, or it cannot be read.
        """
        if image not in self._digests:
            held = self._held.get(image)
            self._digests[image] = (
                held.digest
                if held is not None and self._is_untouched(held)
                else digest_of(self._read_file(image))
            )
        return self._digests[image]

    def read(self, image: str) -> bytes:
        """Reads a picture's file.

        Raises:
            PictureMissingError: There is no such file, it cannot be read, or it has changed
                since its digest was taken.
        """
        with self._lock:
            if image in self._pictures:
                self._pictures.move_to_end(image)
                return self._pictures[image]
        data = self._read_file(image)
        digest = digest_of(data)
        if self._digests.setdefault(image, digest) != digest:
            raise PictureMissingError(f"picture {image} has changed since the sweep was planned")
        self._keep(image, data)
        return data

    def _keep(self, image: str, data: bytes) -> None:
        with self._lock:
            # Another thread may have read the same file meanwhile.
            self._cached_bytes += len(data) - len(self._pictures.pop(image, b""))
            self._pictures[image] = data
            while self._cached_bytes > self._cache_bytes and self._pictures:
                _, dropped = self._pictures.popitem(last=False)
                self._cached_bytes -= len(dropped)

    def _read_file(self, image: str) -> bytes:
        file = self.find(image)
        try:
            return file.read_bytes()
        except OSError as error:
            raise PictureMissingError(f"picture {file} cannot be read: {error}") from error

    def _held_file(self, image: str) -> Path | None:
        held = self._held.get(image)
        if held is None:
            return None
        file = self._folder / held.file
        return file if is_inside(file, self._root) and is_file(file) else None

    def _is_untouched(self, held: HeldImage) -> bool:
        """Whether the file has the size and the time of modification that were noted with it.

        A folder that was copied without its times is read again: a picture that was exchanged
        must not go by the digest of the one before.
        """
        file = self._held_file(held.image)
        if file is None:
            return False
        found = file.stat()
        return (found.st_size, found.st_mtime_ns) == (held.byte_count, held.modified_ns)

    def _refuse_dead(self, image: str) -> None:
        dead = self._dead.get(image)
        if dead is not None:
            again = "; expart dataset prepare, run again, may get it" if dead.again else ""
            raise PictureMissingError(
                f"picture {image} is a dead link: {dead.reason}, {dead.detail}{again}"
            )

    def _downloaded(self, url: str) -> list[Path]:
        if self._image_folder is None:
            self._refuse_dead(url)
            raise PictureMissingError(
                f"picture {url} is not in the dataset's folder: run expart dataset prepare, or "
                "name a folder of downloaded pictures as dataset.image_folder"
            )
        parts = read_url(url)
        name = "" if parts is None else parts.path.rsplit("/", 1)[-1]
        if name in {"", ".", ".."}:
            raise PictureMissingError(f"picture URL {url} does not end in a file's name")
        # Downloaders differ in whether they undo percent-encoding; a decoded name is one name.
        names = dict.fromkeys((name, Path(unquote(name)).name))
        return [self._image_folder / candidate for candidate in names if candidate]
