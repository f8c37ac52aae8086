"""Fetches what the checks of the chart need and this machine lacks.

Run as ``python -m deploy.tools.fetch``; ``--list`` only says where each tool is.
"""

import argparse
import fcntl
import sys
from pathlib import Path

from deploy.tools.checkov import find_checkov, install_checkov
from deploy.tools.programs import TOOLS, ToolError, fetch_program, find_program
from deploy.tools.table import PROGRAMS

CHECKOV = "checkov"
NAMES = (*(program.name for program in PROGRAMS), CHECKOV)


def find(name: str, folder: Path = TOOLS) -> Path | None:
    """Finds a tool, fetched or on the PATH; none where it is neither."""
    return find_checkov(folder) if name == CHECKOV else find_program(name, folder)


def fetch(name: str, folder: Path = TOOLS) -> Path:
    """Finds a tool, or fetches it.

    Raises:
        ToolError: It cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        # Whoever comes second finds what the first has fetched.
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = find(name, folder)
        if found is not None:
            return found
        return install_checkov(folder) if name == CHECKOV else fetch_program(name, folder)


def main(arguments: list[str]) -> int:
    """Fetches the tools named, by default all; returns the process's exit code."""
    parser = argparse.ArgumentParser(description="Fetch the tools of the chart's checks.")
    parser.add_argument("tool", nargs="*", choices=(*NAMES, []), help="by default all")
    parser.add_argument("--list", action="store_true", help="only say where they are")
    options = parser.parse_args(arguments)
    missing = 0
    for name in options.tool or NAMES:
        if options.list:
            print(f"{name}\t{find(name) or 'is not here'}")
            continue
        if find(name) is None:
            print(f"fetching {name}", flush=True)
        try:
            fetch(name)
        except ToolError as error:
            missing += 1
            sys.stderr.write(f"error: {error}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
