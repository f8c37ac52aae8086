"""How a long-running process treats its memory."""

import ctypes
import gc

# Python's default of 700 has a scoring worker look through its cached analyses, or a sweep's driver
# through its plan, for up to a sixth of its time, in vain: what an item leaves behind is mostly
# freed without it.
_ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000

# From malloc.h: allocations of so many bytes or more are made, and returned, one by one.
_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 2**18


def collect_garbage_rarely() -> None:
    """Makes collections rare, and spares them what is there already; call it once all is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)


def return_large_blocks() -> None:
    """Has glibc return large blocks to the machine once they are free; elsewhere does nothing.

    By default it learns from them to keep what they took, in holes that others do not fit into.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
