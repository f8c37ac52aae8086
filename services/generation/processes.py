"""Ends processes for good, children of children too."""

import ctypes
import os
import sys

import psutil

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Makes processes whose parent died become children of this one, so that none is lost.

    Only Linux has it; elsewhere nothing happens.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_descendants(*, grace_s: float, of: int | None = None) -> None:
    """Ends every process below this one, or below ``of``, politely first.

    Args:
        grace_s: Seconds between asking and killing; 0 kills at once.
        of: Process id whose descendants end; by default this process.
    """
    try:
        root = psutil.Process(of)
    except psutil.NoSuchProcess:
        return
    if grace_s > 0:
        below = root.children(recursive=True)
        for process in below:
            _signal(process, kill=False)
        psutil.wait_procs(below, timeout=grace_s)
    # Whoever was orphaned or born meanwhile is found in the next round.
    for _ in range(5):
        below = [item for item in root.children(recursive=True) if _runs(item)]
        if not below:
            return
        for process in below:
            _signal(process, kill=True)
        psutil.wait_procs(below, timeout=1)


def end_session(session_id: int) -> None:
    """Kills every process of a session: what is left when its leader died without cleaning up.

    Args:
        session_id: Process id of the session's first process.
    """
    left = [process for process in psutil.process_iter() if _session_of(process) == session_id]
    for process in left:
        _signal(process, kill=True)
    psutil.wait_procs(left, timeout=5)


def _session_of(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        return


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
