"""Standard output and standard error of a process that Ray Serve runs."""

import io
import sys


def use_own_standard_streams() -> None:
    """Has what this process prints go where Ray sends it, at once and as it is.

    Serve puts itself between: it makes every line a record of its own log, and holds back as many
    as ``RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE`` says, tracebacks among them. What calls
    the function ``print`` still goes that way.
    """
    output, error = sys.__stdout__, sys.__stderr__
    if output is None or error is None:  # who started Python closed them: Serve's are all there is
        return
    if isinstance(output, io.TextIOWrapper):
        output.reconfigure(line_buffering=True)  # Python fills a block, unless it is a terminal's
    sys.stdout, sys.stderr = output, error
