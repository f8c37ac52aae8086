"""How often a long-running process looks for garbage."""

import gc

# Python's default of 700 has a scoring worker look through its cached analyses, or a sweep's driver
# through its plan, for up to a sixth of its time, in vain: what an item leaves behind is mostly
# freed without it.
_ALLOCATIONS_BETWEEN_COLLECTIONS = 50_000


def collect_garbage_rarely() -> None:
    """Makes collections rare, and spares them what is there already; call it once all is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)
