"""UperNet: pooled context on the deepest map, a feature pyramid, all levels joined.   K classes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.heads.convs import ConvBlock, normal

BINS = (1, 2, 3, 6)


def resize(x: Tensor, like: Tensor | tuple[int, int]) -> Tensor:
    """x (B, C, H, W) bilinearly at another map's size, or at (H, W); half-pixel centres (align_corners=False)."""
    size = like if isinstance(like, tuple) else like.shape[-2:]
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


class PoolingPyramid(nn.Module):
    """The map beside its means over a grid of each of `BINS`, then 3x3: (B, C, H, W) -> (B, dim, H, W).

    Source: PSPNet (arXiv 1612.01105) figure 3.
    """

    def __init__(self, channels: int, dim: int) -> None:
        super().__init__()
        self.bins = nn.ModuleList(ConvBlock(channels, dim, 1) for _ in BINS)
        self.bottleneck = ConvBlock(channels + len(BINS) * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        pooled = [resize(conv(F.adaptive_avg_pool2d(x, b)), x) for b, conv in zip(BINS, self.bins, strict=True)]
        return self.bottleneck(torch.cat([x, *pooled], 1))


class UperNetHead(nn.Module):
    """Maps (B, C_s, H_s, W_s), the finest first -> logits (B, K, H_1, W_1).

    Args:
        dropout: Share of whole channels dropped before the classifier.
    Source: UperNet (arXiv 1807.10221) figure 4, with the figures of mmsegmentation's configurations.
    """

    def __init__(self, channels: Sequence[int], num_classes: int, dim: int = 512, dropout: float = 0.1) -> None:
        super().__init__()
        self.pool = PoolingPyramid(channels[-1], dim)
        self.laterals = nn.ModuleList(ConvBlock(c, dim, 1) for c in channels[:-1])
        self.outputs = nn.ModuleList(ConvBlock(dim, dim) for _ in channels[:-1])
        self.join = ConvBlock(len(channels) * dim, dim)
        self.drop = nn.Dropout2d(dropout)
        self.classes = nn.Conv2d(dim, num_classes, 1)
        normal(self.classes)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        used = [lateral(x) for lateral, x in zip(self.laterals, maps[:-1], strict=True)]
        used.append(self.pool(maps[-1]))
        for level in range(len(used) - 1, 0, -1):
            used[level - 1] = used[level - 1] + resize(used[level], used[level - 1])
        levels = [output(x) for output, x in zip(self.outputs, used[:-1], strict=True)] + [used[-1]]
        joined = torch.cat([levels[0], *(resize(x, levels[0]) for x in levels[1:])], 1)
        return self.classes(self.drop(self.join(joined)))


class AuxiliaryHead(nn.Module):
    """A 3x3 convolution and a classifier on one map, for training alone: (B, C, H, W) -> (B, K, H, W).

    Source: mmsegmentation's configurations ("FCNHead", 256 channels).
    """

    def __init__(self, channels: int, num_classes: int, dim: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        self.conv = ConvBlock(channels, dim)
        self.drop = nn.Dropout2d(dropout)
        self.classes = nn.Conv2d(dim, num_classes, 1)
        normal(self.classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.drop(self.conv(x)))
