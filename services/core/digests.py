"""Names for contents: the same bytes have the same name everywhere."""

import hashlib
from pathlib import Path

PREFIX = "sha256:"


def digest_of(data: bytes) -> str:
    """Names bytes by their content: ``sha256:`` and 64 lowercase hexadecimal digits."""
    return PREFIX + hashlib.sha256(data).hexdigest()


def digest_of_files(paths: list[Path], root: Path) -> str:
    """Names a set of files by their relative names and contents, whatever their order.

    Raises:
        OSError: A file cannot be read.
    """
    total = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.relative_to(root).as_posix()):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").digest()
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + content)
    return PREFIX + total.hexdigest()
