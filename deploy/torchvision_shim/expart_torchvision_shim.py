"""Declare the operators that torchvision expects when its compiled part did not load.

torchvision's Python code attaches shape rules to the operators `nms` and `qnms`. Its compiled part
declares them; a CUDA build cannot be loaded by a CPU-only torch, and then `import torchvision`
raises RuntimeError. `install` watches for the import of `torchvision.extension`, which tries to
load the compiled part, and declares both operators right after it if that failed. Nothing is
imported before torchvision is.
"""

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_WATCHED = "torchvision.extension"
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)


class _DeclaringLoader(Loader):
    """Runs a module through its own loader, then declares the operators if they are missing."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        # torch forgets a declaration when the library object that made it is collected.
        self._library: object = None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        if module._has_ops():  # noqa: SLF001 - torchvision has no public way to ask
            return
        from torch.library import Library  # noqa: PLC0415 - only torchvision's importers pay for it

        library = Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
        for schema in _SCHEMAS:
            library.define(schema)  # type: ignore[no-untyped-call]
        self._library = library


class _ExtensionFinder(MetaPathFinder):
    """Finds `torchvision.extension` alone; every other module is left to the ordinary finders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _WATCHED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _DeclaringLoader(spec.loader)
        return spec


def install() -> None:
    """Watch for torchvision's import in this process. Calling it again changes nothing."""
    if not any(isinstance(finder, _ExtensionFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _ExtensionFinder())
