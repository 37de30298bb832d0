"""Noise by number: a sample's beginning follows from a seed and its number, whatever it is made together with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import torch
from torch import Tensor


def noise(seed: int, numbers: Iterable[int], shape: tuple[int, ...]) -> Tensor:
    """Normal noise of the samples of these numbers: (B, *shape) float32 on the CPU.

    Drawn in float64, whose generator has one path on every CPU, then rounded.
    """
    drawn = [torch.randn(shape, generator=_generator(seed, number), dtype=torch.float64) for number in numbers]
    return (torch.stack(drawn) if drawn else torch.empty(0, *shape)).float()


def between(first: Tensor, last: Tensor, count: int) -> Tensor:
    """`count` noises from `first` to `last`, both included, along the great circle through them: (count, *shape).

    Their lengths go evenly from one to the other, so that each is about as long as noise is.
    """
    a, b = first.double().flatten(), last.double().flatten()
    cosine = torch.dot(a, b) / (a.norm() * b.norm())
    angle = torch.arccos(cosine.clamp(-1, 1))
    share = torch.linspace(0, 1, count, dtype=torch.float64, device=a.device)[:, None]
    lengths = (1 - share) * a.norm() + share * b.norm()
    if angle.sin() < 1e-6:  # one direction, or opposite ones
        mixed = (1 - share) * a / a.norm() + share * b / b.norm()
    else:
        mixed = (((1 - share) * angle).sin() * a / a.norm() + (share * angle).sin() * b / b.norm()) / angle.sin()
    return (lengths * mixed).to(first.dtype).view(count, *first.shape)


def _generator(seed: int, number: int) -> torch.Generator:
    digest = hashlib.blake2b(repr((seed, number)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
