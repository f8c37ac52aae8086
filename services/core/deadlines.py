"""Why a call was cancelled: did its caller go away, or had its time run out?"""

# A client whose deadline passes cancels the call, maybe a moment before the server thinks so.
_CLOCKS_DIFFER_S = 0.02
# gRPC tells a server how long the client waits in two to three digits, rounded up: as 10.1 s where
# it is 10.01 s. Seen with grpcio 1.85.
_ROUNDED_UP = 0.01


def is_out_of_time(left_s: float | None, elapsed_s: float) -> bool:
    """Whether a call that was cancelled had run out of time.

    Args:
        left_s: Seconds to its deadline as the server knows it; None where it has none.
        elapsed_s: Seconds since it arrived.

    >>> is_out_of_time(0.09, 10.01), is_out_of_time(0.2, 10.01), is_out_of_time(None, 10.01)
    (True, False, False)
    """
    if left_s is None:
        return False
    return left_s < _CLOCKS_DIFFER_S + _ROUNDED_UP * (left_s + elapsed_s)
