"""A moment of the flow as a vector."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sinusoids(t: Tensor, width: int) -> Tensor:
    """(B,) -> (B, width): cosines, then sines, of t·10000^(-k / (width / 2)) for k < width / 2.

    Frequencies are float32 and t is taken as it is, in [0, 1]: a flow has no thousand steps to scale it by.
    Source: the releases of LightningDiT and FlashDiT.
    Raises: ValueError for an odd width.
    """
    if width % 2:
        raise ValueError(f"width={width} is odd; cosines and sines take half each.")
    k = torch.arange(width // 2, dtype=torch.float32, device=t.device)
    angles = t[:, None] * torch.exp(-math.log(10000) * k / (width // 2))
    return torch.cat([angles.cos(), angles.sin()], -1)


class TimestepEmbed(nn.Module):
    """`sinusoids`, Linear, SiLU, Linear: (B,) -> (B, C), computed up to the first map in float32 or better."""

    def __init__(self, dim: int, width: int = 256):
        super().__init__()
        self.width = width
        self.fc1 = nn.Linear(width, dim)
        self.fc2 = nn.Linear(dim, dim)

    def forward(self, t: Tensor) -> Tensor:
        t = t if t.dtype == torch.float64 else t.float()
        return self.fc2(F.silu(self.fc1(sinusoids(t, self.width).to(self.fc1.weight.dtype))))
