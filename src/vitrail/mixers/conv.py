"""Depthwise convolution: each channel reads its neighbourhood."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from vitrail.geometry.links import Links, near_links

_CONVOLUTIONS: dict[int, Callable[..., nn.Module]] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class DepthwiseConv(nn.Module):
    """Depthwise convolution with bias, stride 1, zeros outside the grid.

    Shapes: (B, *S, C) -> (B, *S, C), any S of `axes` axes.
    Source: Iwin (arXiv 2507.18405) eq. 7, which calls it depthwise separable but has no pointwise half; ScalableViT
        (arXiv 2203.10790) uses the same for PEG, LIM and LEM.
    Args:
        kernel: K, for all axes, or one for each; then `axes` follows from it.
    Raises: ValueError if a `kernel` is even (the shape would change) or there are not 1, 2 or 3 axes.
    """

    def __init__(self, dim: int, kernel: int | tuple[int, ...] = 3, axes: int = 2):
        super().__init__()
        axes = axes if isinstance(kernel, int) else len(kernel)
        if axes not in _CONVOLUTIONS:
            raise ValueError(f"axes={axes}: convolutions over 1, 2 or 3 axes exist.")
        for k in (kernel,) if isinstance(kernel, int) else kernel:
            if k % 2 == 0:
                raise ValueError(f"kernel={k} is even and would change the shape; take {k - 1} or {k + 1}.")
        self.reach = kernel // 2 if isinstance(kernel, int) else tuple(k // 2 for k in kernel)
        self.conv = _CONVOLUTIONS[axes](dim, dim, kernel, padding=self.reach, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.movedim(-1, 1)).movedim(1, -1)

    def links(self, size: tuple[int, ...]) -> Links:
        return near_links(size, self.reach, self.reach)
