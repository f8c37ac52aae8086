"""Starts ``expart`` again and again with its imports behind it: a process a start, in no time.

Reads lines of JSON, each a file for what is printed and the arguments; writes the process id of the
child that runs them and, when that has ended, its exit code, negative for a signal. One at a time.
"""

import json
import os
import signal
import sys
from pathlib import Path

from services.cli.app import make_app, run_app


def main() -> None:
    # As when the command itself is started; nothing here has started a thread before it forks.
    make_app(["sweep", "run"])
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            _be_expart(Path(order["log"]), order["arguments"])
        _say(child)
        _, status = os.waitpid(child, 0)
        _say(os.waitstatus_to_exitcode(status))


def _be_expart(log: Path, arguments: list[str]) -> None:
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    silence = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((silence, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = run_app(make_app(arguments), arguments)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
