"""The two-layer perceptron that follows each mixer."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class MLP(nn.Module):
    """Linear to `hidden` channels, exact GELU, Linear back.

    Shapes: (..., C) -> (..., C).
    Source: the same in Swin (arXiv 2103.14030), Iwin and ScalableViT, where hidden = int(ratio · C).
    """

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))
