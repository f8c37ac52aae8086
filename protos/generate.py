"""Generates the Python code of the contract: the only codegen command of the project.

``python protos/generate.py`` rewrites ``protos/gen``; ``--check`` exits 1 if it would change.
The code lands in ``protos/gen/expart``, so that a message's Python path equals its proto path and
Ray can pickle messages.
"""

import argparse
import filecmp
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
GENERATED = PROTOS / "gen"


def generate(destination: Path) -> None:
    """Compiles every .proto into ``destination`` and copies the retry policies beside them.

    Raises:
        SystemExit: protoc refused a file; it has printed why.
    """
    sources = sorted(path.relative_to(PROTOS) for path in (PROTOS / "expart").rglob("*.proto"))
    well_known = resources.files("grpc_tools") / "_proto"
    plugins = Path(sys.executable).parent
    arguments = [
        "protoc",
        f"--proto_path={PROTOS}",
        f"--proto_path={well_known}",
        f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
        f"--python_out={destination}",
        f"--grpc_python_out={destination}",
        f"--mypy_out={destination}",
        f"--mypy_grpc_out={destination}",
        *map(str, sources),
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit(1)
    for folder in {path for path in (destination / "expart").rglob("*") if path.is_dir()}:
        (folder / "__init__.py").touch()
    (destination / "expart" / "__init__.py").touch()
    for policy in (PROTOS / "expart").rglob("*_service_config.json"):
        shutil.copy(policy, destination / policy.relative_to(PROTOS))


def differences(left: Path, right: Path) -> list[str]:
    """Lists files that are missing on one side or differ, relative to the roots."""
    names = {
        path.relative_to(root)
        for root in (left, right)
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    return sorted(
        str(name)
        for name in names
        if not (left / name).exists()
        or not (right / name).exists()
        or not filecmp.cmp(left / name, right / name, shallow=False)
    )


def main() -> int:
    """Regenerates the code, or with ``--check`` compares it with what is committed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, change nothing")
    check = bool(parser.parse_args().check)
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch)
        generate(fresh)
        if check:
            stale = differences(fresh, GENERATED)
            if stale:
                print("protos/gen is out of step; run `make protos`:", *stale, sep="\n  ")
            return 1 if stale else 0
        if GENERATED.exists():
            shutil.rmtree(GENERATED)
        shutil.copytree(fresh, GENERATED)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
