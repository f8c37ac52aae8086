"""Starts ``expart sweep run`` again and again with its imports behind it: a process each time.

Reads orders, a line of JSON each; forks for every one and writes, as lines of JSON, the number of
the order with the process id of the driver and, when that has ended, with its exit code, negative
for a signal. Any number may run at a time.
"""

import json
import os
import signal
import sys
from typing import TypedDict

from services.cli.app import make_app, run_app
from services.rpc import limits
from services.sweep.results.output_lock import hold_shard


class Order(TypedDict):
    """One driver to be started.

    Attributes:
        number: Names the order.
        log: File that everything printed is appended to.
        arguments: What follows ``expart``.
        environment: Its whole environment.
        lease_s: How long a lease on a shard of an object store lasts, in place of 30 s, or 0.
        silence_s: How long a connection may be silent before it counts as lost, or 0 for the
            contract's, which is most of a minute.
    """

    number: int
    log: str
    arguments: list[str]
    environment: dict[str, str]
    lease_s: float
    silence_s: float


def main() -> None:
    """Serves orders until the input ends."""
    # As when the command itself is started; nothing here has started a thread before it forks.
    make_app(["sweep", "run"])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order: Order = json.loads(line)
        if not os.fork():
            _watch(order)


def _watch(order: Order) -> None:
    """Starts the driver and reports on it; does not return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    driver = os.fork()
    if not driver:
        _be_expart(order)
    _say(number=order["number"], pid=driver)
    _, status = os.waitpid(driver, 0)
    _say(number=order["number"], code=os.waitstatus_to_exitcode(status))
    os._exit(0)


def _be_expart(order: Order) -> None:
    os.environ.clear()
    os.environ.update(order["environment"])
    if order["lease_s"]:
        hold_shard.__wrapped__.__kwdefaults__["lease_s"] = order["lease_s"]  # type: ignore[attr-defined]
    if order["silence_s"]:
        limits.KEEPALIVE_TIME_MS = limits.KEEPALIVE_TIMEOUT_MS = int(order["silence_s"] * 500)
    output = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    silence = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((silence, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = run_app(make_app(order["arguments"]), order["arguments"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _say(**event: int) -> None:
    os.write(1, (json.dumps(event) + "\n").encode())  # short enough to be written in one piece


if __name__ == "__main__":
    main()
