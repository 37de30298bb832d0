"""What is in a region, and where exactly.   n regions, K classes."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.heads.convs import ConvBlock, normal

SIZE = 7  # of the features that a box head reads


class BoxHead(nn.Module):
    """Convolutions with batch norm, then linear maps with ReLU, then scores and offsets of every class.

    Shapes: (n, dim, 7, 7) -> scores (n, K + 1), the last for "nothing", and offsets (n, K, 4).
    Args:
        convs, linears: 0 and 2 in Mask R-CNN; 4 and 1 in the papers' Cascade R-CNN ("4conv1fc").
    Source: FPN (arXiv 1612.03144) section 4.2; mmdetection's configurations of Swin and Iwin. Starting values:
        Kaiming-normal convolutions, Xavier-uniform linear maps, deviation 0.01 for scores and 0.001 for offsets.
    """

    def __init__(self, dim: int, num_classes: int, convs: int = 0, linears: int = 2, width: int = 1024) -> None:
        super().__init__()
        self.convs = nn.Sequential(*(ConvBlock(dim, dim) for _ in range(convs)))
        sides = [dim * SIZE * SIZE, *[width] * linears]
        self.linears = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sides))
        self.scores = nn.Linear(width, num_classes + 1)
        self.deltas = nn.Linear(width, 4 * num_classes)
        for linear in self.linears:
            nn.init.xavier_uniform_(linear.weight)  # type: ignore[arg-type]
            nn.init.zeros_(linear.bias)  # type: ignore[arg-type]
        normal(self.scores, 0.01)
        normal(self.deltas, 0.001)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.convs(x).flatten(1)
        for linear in self.linears:
            x = F.relu(linear(x))
        return self.scores(x), self.deltas(x).unflatten(1, (-1, 4))
