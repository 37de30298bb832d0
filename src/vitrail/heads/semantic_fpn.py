"""Semantic FPN: every level of a feature pyramid brought to the finest, and added.   K classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.heads.convs import ConvBlock, normal
from vitrail.heads.upernet import resize


class SemanticFPNHead(nn.Module):
    """Maps (B, channels, H_s, W_s) of `strides` -> logits (B, K, H_1, W_1).

    A level at stride 4 * 2^n passes max(1, n) times a 3x3 convolution, each followed by a bilinear doubling if n > 0.
    Args:
        dropout: Share of whole channels dropped before the classifier.
    Source: Panoptic FPN (arXiv 1901.02446) figure 3, with batch norm as in mmsegmentation's configurations. Sizes that
        32 does not divide end in a last resize to the finest level.
    """

    def __init__(
        self, channels: int, strides: Sequence[int], num_classes: int, dim: int = 128, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.levels = nn.ModuleList()
        for stride in strides:
            steps = int(math.log2(stride / strides[0]))
            convs = [ConvBlock(channels if n == 0 else dim, dim) for n in range(max(1, steps))]
            self.levels.append(nn.ModuleList(convs))
        self.drop = nn.Dropout2d(dropout)
        self.classes = nn.Conv2d(dim, num_classes, 1)
        normal(self.classes)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        total = None
        for level, (convs, x) in enumerate(zip(self.levels, maps, strict=True)):
            assert isinstance(convs, nn.ModuleList)
            for conv in convs:
                x = conv(x)
                if level:
                    x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            if total is not None and x.shape != total.shape:
                x = resize(x, total)
            total = x if total is None else total + x
        assert total is not None
        return self.classes(self.drop(total))
