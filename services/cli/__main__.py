"""Where the ``expart`` command starts: imports next to nothing before Ctrl-C is taken care of."""

import os
import signal
import sys
from importlib import import_module
from types import FrameType

from services.cli.exit_codes import EXIT_INTERRUPTED

# With the first list that it is given, pyarrow loads pandas where that is installed: a second, and
# 40 MB of a driver's memory, for nothing that these commands do.
_WITHOUT_PANDAS = ("sweep", "leaderboard", "report")


def main() -> None:
    """Runs the command and exits with its code."""
    # Ctrl-C may be ignored, as it is for what a script runs in the background.
    is_interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_interruptible:
        signal.signal(signal.SIGINT, _leave_at_once)
    if sys.argv[1:2] and sys.argv[1] in _WITHOUT_PANDAS:
        import_module("services.cli.left_out").leave_out("pandas")
    app = import_module("services.cli.app").make_app(sys.argv[1:])
    if is_interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code = import_module("services.cli.app").run_app(app, sys.argv[1:])
    except KeyboardInterrupt:  # before the command itself had begun, or after its end
        code = _interrupted()
    if is_interruptible:
        # The work is over; nobody wants to see Python's own shutdown interrupted.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)


def _leave_at_once(number: int, frame: FrameType | None) -> None:
    """Ends the process while it is being loaded: there is nothing to tidy up yet.

    An exception would go through the imports of other packages, which take it for a fault.
    """
    del number, frame
    os._exit(_interrupted())


def _interrupted() -> int:
    os.write(2, b"expart: interrupted\n")
    return EXIT_INTERRUPTED


if __name__ == "__main__":
    main()
