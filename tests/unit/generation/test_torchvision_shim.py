"""The shim that lets PyPI's torchvision load beside a CPU-only torch."""

import subprocess
import sys
from pathlib import Path

SHIM = Path(__file__).parents[3] / "deploy" / "torchvision_shim"

# A stand-in torchvision whose compiled part "loads" or not: both sides show on any machine.
FAKE_EXTENSION = """
def _has_ops():
    return {loaded}
"""


def run_python(code: str, *, path: Path | None = None) -> str:
    prefix = [] if path is None else ["import sys", f"sys.path.insert(0, {str(path)!r})"]
    completed = subprocess.run(
        [sys.executable, "-c", "\n".join([*prefix, code])],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout.strip()


def write_fake_torchvision(folder: Path, *, loaded: bool) -> None:
    package = folder / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text("from . import extension\n")
    (package / "extension.py").write_text(FAKE_EXTENSION.format(loaded=loaded))


def test_torchvision_transforms_work_in_a_fresh_process() -> None:
    code = """
import torch
from torchvision.transforms.v2.functional import resize
print(tuple(resize(torch.zeros(3, 8, 8), [4, 4]).shape))
"""
    assert run_python(code) == "(3, 4, 4)"


def test_missing_operators_are_declared(tmp_path: Path) -> None:
    write_fake_torchvision(tmp_path, loaded=False)
    code = "import torchvision, torch; print(hasattr(torch.ops.torchvision, 'nms'))"
    assert run_python(code, path=tmp_path) == "True"


def test_nothing_is_declared_when_the_compiled_part_loaded(tmp_path: Path) -> None:
    write_fake_torchvision(tmp_path, loaded=True)
    code = "import torchvision, torch; print(hasattr(torch.ops.torchvision, 'nms'))"
    assert run_python(code, path=tmp_path) == "False"


def test_starting_python_imports_no_torch() -> None:
    code = "import sys; print('expart_torchvision_shim' in sys.modules, 'torch' in sys.modules)"
    assert run_python(code) == "True False"


def test_installing_puts_the_pth_file_at_the_root_of_site_packages(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for file in SHIM.iterdir():
        if file.is_file():
            (source / file.name).write_bytes(file.read_bytes())
    target = tmp_path / "target"
    completed = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
            *("--no-build-isolation", "--no-index", "--target", str(target), str(source)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert completed.returncode == 0, completed.stderr
    assert (target / "expart_torchvision_shim.pth").is_file()
    assert (target / "expart_torchvision_shim.py").is_file()
