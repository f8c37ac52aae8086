"""Takes the pictures that records name by path."""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from services.benchmark.picture_names import is_file, is_inside, is_other_url
from services.benchmark.prepared import HeldImage
from services.core.digests import PREFIX
from services.dataset.failures import PictureError, Reason
from services.dataset.picture_checker import PictureChecker
from services.dataset.store import PictureFolder


async def take_local(
    images: Sequence[str], source: Path, folder: PictureFolder, checker: PictureChecker
) -> None:
    """Copies the pictures that records name by path; those that are no good are noted as dead."""
    for image in images:
        file = source / image
        try:
            _check_path(image, file, source)
            picture = await checker.check(file)
        except PictureError as error:
            folder.bury(image, error, 1)
            continue
        partial = folder.partial(image)
        partial.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, partial.path)
        folder.keep(image, partial.path, picture, str(file))


def is_exchanged(held: HeldImage, source: Path) -> bool:
    """Whether the file that a held copy was made of holds something else by now."""
    file = source / held.image
    if not is_inside(file, source.resolve()) or not is_file(file):
        return False
    if file.stat().st_size != held.byte_count:
        return True
    with file.open("rb") as stream:
        return PREFIX + hashlib.file_digest(stream, "sha256").hexdigest() != held.digest


def _check_path(image: str, file: Path, source: Path) -> None:
    if not is_inside(file, source.resolve()):
        raise PictureError(Reason.MISSING_FILE, f"the path leads out of {source}")
    if is_file(file):
        return
    if is_other_url(image):
        raise PictureError(Reason.BAD_URL, "it is no http(s) URL")
    raise PictureError(Reason.MISSING_FILE, f"there is no file {file}", again=True)
