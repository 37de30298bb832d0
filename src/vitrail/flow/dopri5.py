"""Dormand and Prince's method of order 5, with a step of its own for each sample.

One step for a whole batch would make a sample depend on what it is made together with; here its steps follow from it
alone, and samples that have arrived cost nothing more.

Letters: B batch, A samples still on their way.
Source: Dormand and Prince, J. Comp. Appl. Math. 6 (1980) 19; Hairer, Nørsett and Wanner, Solving Ordinary Differential
Equations I (1993), section II.4, for the first step and the control of the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from vitrail.errors import InputError

# (x (A, ...), moments (A,) float64 on the CPU, which samples of the batch these are (A,) on the CPU) -> (A, ...)
RowField = Callable[[Tensor, Tensor, Tensor], Tensor]

NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0)
STAGES = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
)
FIFTH = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
# fifth order less fourth, of the six stages and of the velocity at the new point
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)
SAFETY, LEAST, MOST, POWER = 0.9, 0.2, 10.0, -1 / 5
ENOUGH = 100_000  # steps of one sample, kept or not


class Followed(NamedTuple):
    """Where samples arrived, (B, ...), and how often each sample's velocity was asked for, (B,) long."""

    x: Tensor
    evaluations: Tensor


def dopri5(
    velocity_of: RowField,
    x: Tensor,
    start: float,
    end: float,
    rtol: float,
    atol: float,
    told: Callable[[float], None] | None = None,
) -> Followed:
    """x at `end` from x at `start` < `end`, each step's error below atol + rtol·|x| in root mean square over a sample.

    Args:
        told: Called with the least moment that all samples have reached.
    Raises: InputError where a sample's velocity is not finite or needs steps that are too small.
    """
    count = x.shape[0]
    x = x.clone()

    def field(x: Tensor, moments: Tensor, rows: Tensor) -> Tensor:
        return velocity_of(x, moments, rows).to(x.dtype)

    moment = torch.full((count,), start, dtype=torch.float64)
    rows = torch.arange(count)
    velocity = field(x, moment, rows) if count else x
    step = _first_steps(field, x, velocity, start, end, rtol, atol) if count else moment
    evaluations = torch.full((count,), 2)
    shrunk = torch.zeros(count, dtype=torch.bool)  # the last try was not kept: the next step may not grow
    tries = 0
    while rows.numel():
        tries += 1
        if tries > ENOUGH or not bool((step[rows] > 10 * torch.finfo(torch.float64).eps).all()):
            raise InputError(
                f"dopri5 finds no step small enough for rtol={rtol}, atol={atol}: the velocity is not finite, or too "
                "rough; take larger tolerances, or euler or heun."
            )
        last = step[rows] >= end - moment[rows]
        h = torch.where(last, end - moment[rows], step[rows])
        there = rows.to(x.device)
        new, arrived, size = _try(field, x[there], velocity[there], moment[rows], h, rows, rtol, atol)
        evaluations[rows] += 6
        kept = size < 1
        grow = torch.where(size == 0, MOST, SAFETY * size**POWER)
        grow = torch.where(kept, grow.clamp(max=MOST), grow.nan_to_num(nan=LEAST).clamp(min=LEAST, max=1.0))
        grow = torch.where(kept & shrunk[rows], grow.clamp(max=1.0), grow)
        step[rows] = h * grow
        shrunk[rows] = ~kept
        moved, inside = rows[kept], kept.to(x.device)
        x[moved.to(x.device)], velocity[moved.to(x.device)] = new[inside], arrived[inside]
        moment[moved] = torch.where(last, end, moment[rows] + h)[kept]
        rows = torch.nonzero(moment < end).flatten()
        if told is not None:
            told(moment.min().item())
    return Followed(x, evaluations)


def _try(
    field: RowField, x: Tensor, velocity: Tensor, moment: Tensor, h: Tensor, rows: Tensor, rtol: float, atol: float
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of A samples: where it leads, the velocity there, and its error in units of the tolerance, (A,)."""
    wide = _along(h, x)
    stages = [velocity]
    for node, weights in zip(NODES[1:], STAGES[1:], strict=True):
        stages.append(field(x + wide * _mixed(weights, stages), moment + node * h, rows))
    new = x + wide * _mixed(FIFTH, stages)
    stages.append(field(new, moment + h, rows))
    allowed = atol + rtol * torch.maximum(x.abs(), new.abs())
    return new, stages[-1], _size(wide * _mixed(ERROR, stages) / allowed)


def _first_steps(
    field: RowField, x: Tensor, velocity: Tensor, start: float, end: float, rtol: float, atol: float
) -> Tensor:
    """A first step of each sample from the sizes of its value, slope and curvature, (B,) float64."""
    allowed = atol + rtol * x.abs()
    value, slope = _size(x / allowed), _size(velocity / allowed)
    tiny = (value < 1e-5) | (slope < 1e-5)
    guess = torch.where(tiny, 1e-6, 0.01 * value / slope).clamp(max=end - start)
    ahead = field(x + _along(guess, x) * velocity, start + guess, torch.arange(len(x)))
    curve = _size((ahead - velocity) / allowed) / guess
    steep = torch.maximum(slope, curve)
    step = torch.where(steep <= 1e-15, (guess * 1e-3).clamp(min=1e-6), (0.01 / steep) ** (1 / 5))
    return torch.minimum(100 * guess, step).clamp(max=end - start)


def _mixed(weights: tuple[float, ...], stages: list[Tensor]) -> Tensor:
    """The sum of stages by weight."""
    total = weights[0] * stages[0]
    for weight, stage in zip(weights[1:], stages[1:], strict=True):
        if weight:
            total = total + weight * stage
    return total


def _size(x: Tensor) -> Tensor:
    """The root mean square of each sample, (A, ...) -> (A,) float64 on the CPU."""
    return x.flatten(1).square().mean(1).sqrt().double().cpu()


def _along(numbers: Tensor, x: Tensor) -> Tensor:
    """(A,) on the CPU as something that multiplies x, (A, 1, ...)."""
    return numbers.to(x.device, x.dtype).view(-1, *(1,) * (x.ndim - 1))
