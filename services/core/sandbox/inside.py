"""What runs in a sandboxed process: it answers requests within budgets that the kernel enforces.

Beyond its memory an allocation fails, and beyond its time of computation the process is killed.
Requests and answers are bytes behind their length, on standard input and output.
"""

import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from services.core.heap import return_large_blocks

LENGTH_BYTES = 4


def serve(answer: Callable[[bytes], bytes], memory_bytes: int | None) -> None:
    """Answers requests until standard input ends; an empty answer says that it has begun.

    Args:
        answer: Gives the answer to a request. All that it imports is to be loaded already.
        memory_bytes: What the process may take besides what it has now; no bound where none.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this
    return_large_blocks()  # or 200 MB a process stay, as was measured
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_bytes is not None:
        _limit_memory(memory_bytes)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    sink.write(bytes(LENGTH_BYTES))
    sink.flush()
    while header := source.read(LENGTH_BYTES):
        answered = answer(source.read(int.from_bytes(header, "big")))
        sink.write(len(answered).to_bytes(LENGTH_BYTES, "big") + answered)
        sink.flush()


def allow_computation(seconds: float) -> None:
    """Has the kernel kill this process after so much computation from now; 0 takes that back."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory(more_bytes: int) -> None:
    statm = Path("/proc/self/statm")  # Linux only, as is a limit that the kernel enforces
    if statm.exists():
        now = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        most = min(now + more_bytes, sys.maxsize)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
