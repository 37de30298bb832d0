"""Stochastic depth: a residual branch left out for some samples while training."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Zero the branch of a sample with probability `rate` in training, and divide the kept ones by 1 - rate.

    Shapes: (B, ...) -> (B, ...), one draw a sample.
    Source: Huang et al. (arXiv 1603.09382).
    """

    def __init__(self, rate: float):
        super().__init__()
        if not 0 <= rate < 1:
            raise ValueError(f"drop path rate={rate} must be in [0, 1).")
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = torch.rand((x.shape[0], *[1] * (x.ndim - 1)), device=x.device) >= self.rate
        return x * kept.to(x.dtype) / (1 - self.rate)

    def extra_repr(self) -> str:
        return f"rate={self.rate:.3f}"


def drop_path_rates(rate: float, depths: tuple[int, ...]) -> tuple[tuple[float, ...], ...]:
    """The rate of each block of each stage: from 0 at the first block to `rate` at the last, in even steps."""
    total = sum(depths)
    steps = iter([rate * n / max(total - 1, 1) for n in range(total)])
    return tuple(tuple(next(steps) for _ in range(depth)) for depth in depths)
