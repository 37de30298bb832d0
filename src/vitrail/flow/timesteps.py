"""Moments to train on, and moments to sample at."""

from __future__ import annotations

import torch
from torch import Tensor


def logit_normal(count: int, generator: torch.Generator, mean: float = 0.0, deviation: float = 1.0) -> Tensor:
    """`count` moments in (0, 1) whose logit is normal: (count,) float32, on the generator's device.

    Source: Stable Diffusion 3 (arXiv 2403.03206) section 3.1; LightningDiT takes mean 0 and deviation 1.
    Differs: LightningDiT's release draws them with NumPy, so that its seed of PyTorch does not cover them.
    """
    normal = torch.randn(count, generator=generator, device=generator.device)
    return torch.sigmoid(mean + deviation * normal)


def moments(steps: int, shift: float = 1.0) -> Tensor:
    """0, ..., 1 for `steps` updates: (steps + 1,) float64, evenly, then moved to s·t / (1 + (s - 1)·t).

    Source: Stable Diffusion 3 (arXiv 2403.03206) section 5.3.2, with time the other way round, as LightningDiT's
        release has it.
    """
    t = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    return shift * t / (shift * t + (1 - t))  # 1 at 1, to the last bit
