"""Gives free memory back to the system."""

import ctypes
import gc

import pyarrow as pa


def give_back_memory() -> None:
    """Gives back what was freed and is kept for later use.

    A run's plan and its leaderboard take about as much, one after the other; the second does not
    fit into the holes that the first leaves.
    """
    gc.collect()  # a run leaves its plan in a ring of references, and collections are rare
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # glibc's alone
        trim(0)
