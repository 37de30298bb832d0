"""The two-layer perceptron that follows each mixer."""

from __future__ import annotations

from torch import Tensor, nn

from vitrail.layers.linear import Linear


class MLP(nn.Module):
    """Linear to `hidden` channels, exact GELU, Linear back.

    Shapes: (..., C) -> (..., C).
    Source: the same in Swin (arXiv 2103.14030), Iwin and ScalableViT, where hidden = int(ratio · C).
    """

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1 = Linear(dim, hidden, gelu=True)
        self.fc2 = Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x))
