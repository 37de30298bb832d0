"""Student's t for whole degrees of freedom: what the mean of a few numbers is worth.

Source: Abramowitz and Stegun, 26.7.3 and 26.7.4, finite sums that are exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Estimate(NamedTuple):
    """The mean of n numbers; low, high: its interval, and p that it differs from 0 (two-sided); None for n < 2."""

    n: int
    mean: float
    low: float | None = None
    high: float | None = None
    p: float | None = None


def estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """The mean of at least one number, taken as independent and normal, and what it is worth.

    Numbers that are all the same have an interval without width, and p is 0, or 1 where they are 0.
    """
    n, mean = len(values), math.fsum(values) / len(values)
    if n < 2:
        return Estimate(n, mean)
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1) / n)
    half = quantile((1 + confidence) / 2, n - 1) * error
    p = max(0.0, 1 - between(abs(mean) / error, n - 1)) if error else float(mean == 0)
    return Estimate(n, mean, mean - half, mean + half, p)


def between(t: float, freedom: int) -> float:
    """The probability that Student's t, of `freedom` >= 1 degrees, lies between -t and t; t >= 0."""
    angle = math.atan(t / math.sqrt(freedom))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(1, (freedom - odd) // 2 + 1):
        total += term
        term *= square * (2 * k if odd else 2 * k - 1) / (2 * k + 1 if odd else 2 * k)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def quantile(share: float, freedom: int) -> float:
    """The t below which the share, in [0.5, 1), of Student's t lies."""
    low, high = 0.0, 1.0
    while between(high, freedom) < 2 * share - 1:
        low, high = high, 2 * high
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if between(middle, freedom) < 2 * share - 1 else (low, middle)
    return (low + high) / 2


def holm(ps: Sequence[float]) -> list[float]:
    """Each p corrected for there being so many, by Holm's steps down, in the order given; none above 1."""
    order = sorted(range(len(ps)), key=ps.__getitem__)
    found, least = [0.0] * len(ps), 0.0
    for place, index in enumerate(order):
        least = max(least, min(1.0, (len(ps) - place) * ps[index]))
        found[index] = least
    return found
