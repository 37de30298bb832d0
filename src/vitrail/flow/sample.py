"""Samples of a model by its labels: noise by number, a solver, guidance; a sample never depends on its neighbours.

What holds: the same call gives the same bits. Whatever the batch, a sample's noise is the same bit for bit, and its
moments and steps follow from it alone; what a model computes for it may differ in the last bits with the size of the
batch, because matrix products do: on a CPU by about 1e-6 of the values, and often not at all. Where such a rounding
decides whether "dopri5" keeps a step, two results are as near as its tolerances.

Letters: B batch, C channels of a latent, S its other axes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import torch
from torch import Tensor

from vitrail.errors import InputError
from vitrail.flow.dopri5 import dopri5
from vitrail.flow.guidance import guided
from vitrail.flow.loss import Velocity
from vitrail.flow.noise import noise
from vitrail.flow.sampling import Sampling
from vitrail.flow.solvers import euler, follow, heun
from vitrail.flow.timesteps import moments

Told = Callable[[float], None]
STEPS = {"euler": euler, "heun": heun}


def sample(
    model: Velocity,
    labels: Tensor,
    shape: tuple[int, ...],
    sampling: Sampling,
    null: int | None,
    numbers: Iterable[int] | None = None,
    device: torch.device | str = "cpu",
    told: Told | None = None,
) -> Tensor:
    """Latents of these labels, (B, *shape) float32 on `device`.

    Args:
        model: The velocity; used in the mode it is in, without gradients.
        labels: (B,) long, wherever they are; `null` among them for none.
        shape: (C, *S) of one latent: any that the model takes.
        numbers: Of the samples, from which their noise follows; by default 0, 1, 2, ...
        null: The label of none, which guidance needs.
        told: Called with each moment that all have reached, up to 1.
    Raises: InputError for guidance without a null label, or of more channels than there are.
    """
    labels = labels.to(device)
    numbers = list(range(len(labels)) if numbers is None else numbers)
    if len(numbers) != len(labels):
        raise InputError(f"{len(numbers)} numbers of samples came for {len(labels)} labels; each needs one.")
    return follow_noise(model, noise(sampling.seed, numbers, shape).to(device), labels, sampling, null, told)


@torch.no_grad()
def follow_noise(
    model: Velocity, x: Tensor, labels: Tensor, sampling: Sampling, null: int | None, told: Told | None = None
) -> Tensor:
    """Where the flow carries noise x (B, C, *S) by time 1, in x's type, for labels (B,) on the same device."""
    _check(x, sampling, null)

    def velocity(x: Tensor, t: Tensor, labels: Tensor, guide: bool) -> Tensor:
        if guide and null is not None:
            return guided(model, x, t, labels, null, sampling.scale, sampling.channels).to(x.dtype)
        return model(x, t, labels).to(x.dtype)

    def guides(moment: float) -> bool:
        return sampling.scale != 1 and sampling.start <= moment <= sampling.end

    if sampling.solver != "dopri5":

        def field(x: Tensor, moment: float) -> Tensor:
            return velocity(x, x.new_full((len(x),), moment), labels, guides(moment))

        return follow(STEPS[sampling.solver], field, x, moments(sampling.steps, sampling.shift), told)

    # where guidance begins or ends the velocity jumps: the solver stops there and goes on anew
    stops = sorted({0.0, 1.0} | ({sampling.start, sampling.end} if sampling.scale != 1 else set()))
    for start, end in pairwise(stops):
        guide = guides((start + end) / 2)

        def part(x: Tensor, moment: Tensor, rows: Tensor, guide: bool = guide) -> Tensor:
            return velocity(x, moment.to(x.device, x.dtype), labels[rows.to(x.device)], guide)

        x = dopri5(part, x, start, end, sampling.rtol, sampling.atol, told).x
    return x


def _check(x: Tensor, sampling: Sampling, null: int | None) -> None:
    if sampling.scale != 1 and null is None:
        raise InputError(f"guidance of scale={sampling.scale} needs a model trained with dropped labels; take scale=1.")
    if sampling.channels is not None and sampling.channels > x.shape[1]:
        raise InputError(f"channels={sampling.channels} are to be guided; a latent has {x.shape[1]}.")
