"""Down-samplers between stages: half the positions an axis, C -> 2C in the papers.

Each maps (B, H, W, C_in) -> (B, ceil(H/2), ceil(W/2), C_out). An odd axis is filled up with zeros at the end, after the
norm for the convolutions and before it for patch merging, as the releases for dense tasks do.
Source: Iwin (arXiv 2507.18405) table VII for the four side by side, Swin (arXiv 2103.14030) for patch merging.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.layers.linear import Linear
from vitrail.tracing import some


class ConvMerge(nn.Module):
    """Norm, then a 3x3 convolution of stride 2 that reads one zero row at the bottom, one zero column at the right."""

    def __init__(self, dim_in: int, dim_out: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim_in)
        self.conv = nn.Conv2d(dim_in, dim_out, 3, 2).to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        return _maps(self.conv, _pad_end(self.norm(x), extra=1))


class DepthwiseMerge(nn.Module):
    """Norm, a depthwise 3x3 convolution of stride 2, then a linear map: `ConvMerge` in two steps."""

    def __init__(self, dim_in: int, dim_out: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim_in)
        self.conv = nn.Conv2d(dim_in, dim_in, 3, 2, groups=dim_in)
        self.reduce = Linear(dim_in, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.reduce(_maps(self.conv, _pad_end(self.norm(x), extra=1)))


class AverageMerge(nn.Module):
    """Norm, a linear map, then the mean of each 2x2 (of what exists of it at an odd border).

    The two last steps commute in value; the paper's cost is that of the linear map first.
    """

    def __init__(self, dim_in: int, dim_out: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim_in)
        self.reduce = Linear(dim_in, dim_out)

    def forward(self, x: Tensor) -> Tensor:
        return _maps(lambda m: F.avg_pool2d(m, 2, ceil_mode=True), self.reduce(self.norm(x)))


class PatchMerge(nn.Module):
    """Each 2x2 side by side in one vector, norm, then a linear map without bias.

    The four stand in the order (even, even), (odd, even), (even, odd), (odd, odd) of (row, column).
    """

    def __init__(self, dim_in: int, dim_out: int):
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim_in)
        self.reduce = Linear(4 * dim_in, dim_out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = _pad_end(x)
        x = torch.cat([x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)], -1)
        return self.reduce(self.norm(x))


def _maps(function, x: Tensor) -> Tensor:
    """Apply a function of channels-first maps to channels-last ones."""
    return function(x.movedim(-1, 1)).movedim(1, -1)


def _pad_end(x: Tensor, extra: int = 0) -> Tensor:
    """Make H and W even, then add `extra` more, with zeros at the end."""
    bottom, right = (-(-s // 2) * 2 - s + extra for s in x.shape[1:3])  # in a graph, shorter from stage to stage than %
    return F.pad(x, (0, 0, 0, right, 0, bottom)) if some((bottom, right)) else x
