"""Following a velocity on given moments, every sample alike.   B batch."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor

Field = Callable[[Tensor, float], Tensor]  # (x (B, ...), moment) -> velocity (B, ...)
Step = Callable[[Field, Tensor, float, float], Tensor]  # (field, x, moment, next moment) -> x there


def follow(step: Step, field: Field, x: Tensor, moments: Tensor, told: Callable[[float], None] | None = None) -> Tensor:
    """x at the last of `moments` from x at the first.

    Args:
        told: Called with each moment that was reached.
    """
    for now, after in pairwise(moments.tolist()):
        x = step(field, x, now, after)
        if told is not None:
            told(after)
    return x


def euler(field: Field, x: Tensor, now: float, after: float) -> Tensor:
    """First order: one evaluation, at the beginning of the step."""
    return x + (after - now) * field(x, now)


def heun(field: Field, x: Tensor, now: float, after: float) -> Tensor:
    """Second order: the mean of the velocity at the beginning and at the point that Euler's step reaches."""
    begin = field(x, now)
    end = field(x + (after - now) * begin, after)
    return x + (after - now) / 2 * (begin + end)
