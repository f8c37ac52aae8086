"""The sign-flip test: would differences as large come from artworks that favour neither side?

Each artwork has a total that speaks for the one side or the other by its sign. Where neither is
better, every sign might as well be the other way round; so the sum of the totals is compared with
the sums under other signs. Nothing is assumed of how the totals are distributed, but that it is
alike on both sides of 0.
"""

import numpy as np

from services.sweep.report.statistics.samples import Floats


def sign_test(totals: Floats, flipped: Floats, uncertainty: float) -> float:
    """Finds the two-sided p-value of the sum of the totals.

    Where there are no more patterns of signs than random trials, all of them are tried instead,
    and the p-value is exact; otherwise it is (k + 1) / (n + 1), k being how many of n trials are
    as large. A tie counts as as large.

    Args:
        totals: A total for each artwork; those that are 0 have no say.
        flipped: Sums of the totals under random signs, one a trial.
        uncertainty: What two sums may differ by and yet be equal but for rounding.
    """
    least = abs(float(totals.sum())) - uncertainty
    voting = totals[totals != 0]
    if len(voting) < len(flipped).bit_length():
        sums = _all_sums(voting)
        return int(np.count_nonzero(np.abs(sums) >= least)) / len(sums)
    as_large = int(np.count_nonzero(np.abs(flipped) >= least))
    return (as_large + 1) / (len(flipped) + 1)


def _all_sums(totals: Floats) -> Floats:
    sums = np.zeros(1)
    for total in totals:
        sums = np.concatenate((sums + total, sums - total))
    return sums
