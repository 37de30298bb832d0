"""Times of several steps in one run: interleaved in an order drawn anew each round, as medians with their spread.

Slow minutes of a machine then fall on all steps alike, and a ratio is taken within each round before its median.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple


class Spread(NamedTuple):
    """A median, and where the middle half of the values begins and ends."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    ordered = sorted(values)
    quarter = len(ordered) // 4
    return Spread(statistics.median(ordered), ordered[quarter], ordered[-1 - quarter])


def interleave(count: int, rounds: int, seed: int = 0) -> Iterator[int]:
    """Each of 0 ... `count` - 1 once in every round, in an order drawn anew for each."""
    order = random.Random(seed)
    for _ in range(rounds):
        yield from order.sample(range(count), count)


def seconds(
    step: Callable[[], object],
    repeats: int,
    wait: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Time of one step, the mean over `repeats` of them; `wait` returns when the device has nothing left to do."""
    wait()
    start = clock()
    for _ in range(repeats):
        step()
    wait()
    return (clock() - start) / repeats


def repeats_for(step: Callable[[], object], least: float, timer: Callable[[Callable[[], object], int], float]) -> int:
    """How many steps last at least about `least` seconds; finding out also warms up."""
    took = timer(step, 1)
    if took < least:
        took = timer(step, 2)
    return max(1, round(least / took)) if took > 0 else 1


def summary(times: Mapping[Any, Sequence[float]], batch: int, peer: Any) -> dict[Any, dict[str, Any]]:
    """What the rounds say of each step.

    Args:
        times: Seconds of each step, one value a round, the rounds in the same order for all.
        batch: Pictures that a step takes.
        peer: Whose speed is 1; where it was not timed there are no ratios.
    Returns:
        For each "images_per_second", "spread" (the middle half of the rounds), "ratio" and "ratio_spread" (how many
        times as fast as the peer, round by round), "seconds" (of one step, each round).
    """
    found = {}
    for name, measured in times.items():
        rate = spread([batch / each for each in measured])
        ratio = (
            spread([other / own for own, other in zip(measured, times[peer], strict=True)]) if peer in times else None
        )
        found[name] = {
            "images_per_second": rate.median,
            "spread": [rate.low, rate.high],
            "ratio": ratio and ratio.median,
            "ratio_spread": ratio and [ratio.low, ratio.high],
            "seconds": list(measured),
        }
    return found
