"""Holm's correction of p-values for the number of comparisons."""

from collections.abc import Sequence
from dataclasses import replace

from services.sweep.report.model import Contrast


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Corrects p-values so that the chance of any false finding among them stays the same.

    The least p-value is multiplied by how many there are, the next by one less, and so on; none
    becomes less than one before it, and none more than 1.

    Args:
        p_values: The p-values of one family, 0 to 1. Those that are none stay so, and do not count.

    Returns:
        The corrected ones, in the same order.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, 1979.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    told = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    greatest = 0.0
    for done, (p, place) in enumerate(told):
        greatest = max(greatest, min(1.0, p * (len(told) - done)))
        corrected[place] = greatest
    return corrected


def corrected(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """Corrects the p-values of contrasts that are one family; see :func:`holm`."""
    p_values = holm([contrast.p for contrast in contrasts])
    return [
        replace(contrast, p_corrected=p) for contrast, p in zip(contrasts, p_values, strict=True)
    ]
