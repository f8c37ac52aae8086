"""Gives a complete file its name, without replacing what nobody asked to replace."""

import errno
import os
from pathlib import Path

from services.core.errors import UserInputError

# What file systems answer that have no hard links, or not these.
_NO_LINKS = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV)


def check_free(path: Path, *, overwrite: bool) -> None:
    """Checks that a file may get a name.

    Raises:
        UserInputError: The name is taken, by a file that must not be replaced or by no file.
    """
    if path.is_dir():
        raise UserInputError(f"--out {path}: is a folder")
    if path.exists() and not path.is_file():
        raise UserInputError(f"--out {path}: is no regular file, such as can be replaced")
    if path.exists() and not overwrite:
        raise _is_there(path)


def place(scratch: Path, path: Path, *, overwrite: bool) -> None:
    """Moves a file to its name.

    Raises:
        UserInputError: A file of that name has appeared in the meantime, or something else has.
        OSError: It cannot be moved.
    """
    check_free(path, overwrite=overwrite)
    if overwrite:
        scratch.replace(path)
        return
    try:
        # Unlike a renaming, this never replaces what appeared since the check.
        path.hardlink_to(scratch)
    except FileExistsError as error:
        raise _is_there(path) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _place_without_link(scratch, path)
    else:
        scratch.unlink()


def _place_without_link(scratch: Path, path: Path) -> None:
    """Takes the name first, and then replaces what took it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError as error:
        raise _is_there(path) from error
    try:
        scratch.replace(path)
    except OSError:
        path.unlink()
        raise


def _is_there(path: Path) -> UserInputError:
    return UserInputError(f"--out {path}: is there already; --overwrite replaces it")
