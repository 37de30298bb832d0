"""Which of several ways to the same result is taken: the one that took least time when the first such call was made.

Only calls on CUDA are raced, since there the ways differ most and numbers differ anyway from machine to machine; on a
CPU the choice is a rule, so that the bits of a run do not depend on a clock. VITRAIL_ATTENTION=NAME takes the way of
that name wherever there is one, and `chosen` says what was found.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Hashable
from time import perf_counter

import torch
from torch import Tensor

from vitrail.tracing import tracing

Way = Callable[[Tensor], Tensor]

REPEATS = 5
chosen: dict[Hashable, str] = {}  # what won, by the kind of call
asked = os.environ.get("VITRAIL_ATTENTION", "")
HAS_TRITON = importlib.util.find_spec("triton") is not None  # the CUDA and ROCm builds of PyTorch bring it


def run(kind: Hashable, ways: dict[str, Way], x: Tensor) -> Tensor:
    """The result of the best way for calls of this `kind`.

    Args:
        ways: By name; all mean the same. The first is taken where nothing can be measured and nothing is known: on a
            CPU, in a trace, while a CUDA graph records.
    """
    if asked in ways:
        return ways[asked](x)
    name = next(iter(ways))
    if len(ways) > 1 and x.is_cuda:
        name = chosen.get(kind, name)
        if kind not in chosen and not tracing() and not torch.cuda.is_current_stream_capturing():
            name = chosen[kind] = race(ways, x)
    return ways[name](x)


def race(ways: dict[str, Way], x: Tensor, clock: Callable[[Tensor], float] | None = None) -> str:
    """The name of the way with the least median time on x, forward, and backward where gradients are recorded.

    A way that fails is out of the race; when all fail it is the last one, whose error the caller then meets.
    """
    clock = clock or _clock
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS):
        for name in list(times):
            try:
                start = clock(x)
                _once(ways[name], x)
                times[name].append(clock(x) - start)
            except (RuntimeError, ValueError):
                del times[name]
    if not times:
        return list(ways)[-1]
    return min(times, key=lambda name: sorted(times[name][1:])[len(times[name]) // 2 - 1])  # the first one warms up


def _once(way: Way, x: Tensor) -> None:
    if not torch.is_grad_enabled():
        way(x)
        return
    leaf = x.detach().requires_grad_()
    torch.autograd.grad(way(leaf).sum(), leaf)


def _clock(x: Tensor) -> float:
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return perf_counter()
