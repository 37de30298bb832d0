"""The learning rate as a function of the step alone, steps counted over the whole run from 0."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

Rate = Callable[[int], float]
Course = Callable[[float], float]  # part of the way gone, in [0, 1] -> part of the height left


def cosine(way: float) -> float:
    """Half a cosine from 1 to 0."""
    return (1 + math.cos(math.pi * way)) / 2


def polynomial(power: float) -> Course:
    """(1 - way)^power; a power of 1 is a line."""
    return lambda way: (1 - way) ** power


def warmed(course: Course, peak: float, steps: int, warmup: int, start: float, end: float) -> Rate:
    """A line from `start` to `peak` over `warmup` steps, then the course down to `end`.

        n < warmup:  start + (peak - start) n / warmup
        else:        end + (peak - end) course((n - warmup) / (steps - warmup))

    Source: Swin's training code (the cosine begins after the warm-up).
    """

    def rate(step: int) -> float:
        if step < warmup:
            return start + (peak - start) * step / warmup
        way = (step - warmup) / max(steps - warmup, 1)
        return end + (peak - end) * course(min(way, 1.0))

    return rate


def within(course: Course, peak: float, steps: int, warmup: int, start: float, end: float) -> Rate:
    """As `warmed`, but the course begins at step 0, and the line of the warm-up hides its beginning.

    Source: timm's scheduler without `warmup_prefix`, which DeiT's code uses.
    """
    whole = warmed(course, peak, steps, 0, start, end)
    return lambda step: start + (peak - start) * step / warmup if step < warmup else whole(step)


def rising(rate: Rate, warmup: int, least: float) -> Rate:
    """A rate that knows no warm-up, times a factor that rises in a line from `least` to 1 over `warmup` steps.

    Source: mmcv's schedules, which warm up at every step also where the rate itself changes by epoch.
    """
    return lambda step: rate(step) * (least + (1 - least) * step / warmup if step < warmup else 1.0)


def steps_down(peak: float, at: Sequence[int], factor: float, warmup: int, start: float) -> Rate:
    """A line from `start` to `peak` over `warmup` steps, then `peak`, multiplied by `factor` at each step of `at`."""
    places = sorted(at)

    def rate(step: int) -> float:
        return (start + (peak - start) * step / warmup if step < warmup else peak) * factor ** bisect_right(
            places, step
        )

    return rate


def by_epoch(rate: Rate, steps: int, late: bool = False) -> Rate:
    """A rate over epochs of `steps` steps each, constant within one.

    Args:
        late: Each epoch runs at the rate of the one before it, so that the first two run alike: DeiT's loop hands its
            scheduler the epoch that is finished.
    """
    return lambda step: rate(max(step // steps - late, 0))
