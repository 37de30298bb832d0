"""Adaptive layer norm: one vector for each sample moves, scales and gates what a block does.   B batch, C channels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Modulation(nn.Module):
    """SiLU, then one linear map from the condition to a vector for each name, all zeros at first.

    Shapes: (B, C) -> by name (B, 1, 1, C), for maps (B, H, W, C).
    Args:
        names: In the order in which they stand along the map's output.
    Source: DiT (arXiv 2212.09748) section 3.2, adaLN-Zero.
    """

    def __init__(self, dim: int, names: tuple[str, ...]):
        super().__init__()
        self.names = names
        self.linear = nn.Linear(dim, len(names) * dim)
        self.start()

    def start(self) -> None:
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, condition: Tensor) -> dict[str, Tensor]:
        vectors = self.linear(F.silu(condition)).unflatten(-1, (len(self.names), 1, 1, -1))
        return dict(zip(self.names, vectors.unbind(1), strict=True))


def modulate(x: Tensor, scale: Tensor, shift: Tensor | None) -> Tensor:
    """x (1 + scale) + shift, without a shift where that is None."""
    y = x * (1 + scale)
    return y if shift is None else y + shift
