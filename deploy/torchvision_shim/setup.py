"""Build the shim with its `.pth` file at the root of site-packages."""

from pathlib import Path

from setuptools import setup  # type: ignore[import-untyped]
from setuptools.command.build_py import build_py  # type: ignore[import-untyped]

PTH_FILE = "expart_torchvision_shim.pth"


class BuildWithPth(build_py):  # type: ignore[misc]
    """Copies the `.pth` file beside the module; setuptools has no option that does."""

    def run(self) -> None:
        """Build the module, then add the `.pth` file."""
        super().run()
        self.copy_file(PTH_FILE, str(Path(self.build_lib) / PTH_FILE))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """List every built file, so that uninstalling removes the `.pth` file too."""
        return [*super().get_outputs(include_bytecode), str(Path(self.build_lib) / PTH_FILE)]


setup(cmdclass={"build_py": BuildWithPth})
