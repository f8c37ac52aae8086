"""Bounds what one input may cost."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

_MOST_S = 2.0


@contextmanager
def bounded_work() -> Iterator[None]:
    """Fails where an input takes more processor time than any input should.

    Not the time on the clock: that says how busy the machine is. What never ends is ended by the
    test's own time limit.
    """
    began = time.process_time()
    yield
    assert time.process_time() - began < _MOST_S
