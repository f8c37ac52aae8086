"""Keeps packages out of this process that libraries would load if they found them."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType


class _LeftOut(MetaPathFinder):
    """Finds one package nowhere.

    Args:
        package: Its name.
    """

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        """Refuses the package, and leaves all others to the finders after this one."""
        del path, target
        if fullname == self._package:
            raise ModuleNotFoundError(f"{fullname} is left out of this process", name=fullname)


def leave_out(package: str) -> None:
    """Has a package count as not installed, from now on and for this process alone."""
    sys.meta_path.insert(0, _LeftOut(package))
