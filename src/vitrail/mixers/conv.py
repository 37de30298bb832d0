"""Depthwise convolution: each channel reads its K x K neighbourhood."""

from __future__ import annotations

from torch import Tensor, nn

from vitrail.geometry.links import Links, near_links

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class DepthwiseConv(nn.Module):
    """Depthwise convolution with bias, stride 1, zeros outside the grid.

    Shapes: (B, *S, C) -> (B, *S, C), any S of `axes` axes.
    Source: Iwin (arXiv 2507.18405) eq. 7, which calls it depthwise separable but has no pointwise half; ScalableViT
        (arXiv 2203.10790) uses the same for PEG, LIM and LEM.
    Raises: ValueError if `kernel` is even (the shape would change) or `axes` is not 1, 2 or 3.
    """

    def __init__(self, dim: int, kernel: int = 3, axes: int = 2):
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel={kernel} is even and would change the shape; take {kernel - 1} or {kernel + 1}.")
        if axes not in _CONVOLUTIONS:
            raise ValueError(f"axes={axes}: convolutions over 1, 2 or 3 axes exist.")
        self.reach = kernel // 2
        self.conv = _CONVOLUTIONS[axes](dim, dim, kernel, padding=self.reach, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.movedim(-1, 1)).movedim(1, -1)

    def links(self, size: tuple[int, ...]) -> Links:
        return near_links(size, self.reach, self.reach)
