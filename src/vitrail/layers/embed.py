"""From a picture or a clip to tokens, and where they stand."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.tracing import some


class PatchEmbed(nn.Module):
    """Non-overlapping patches, one linear map each, a norm, and optionally a learned position.

    Shapes: (B, C_in, H, W) -> (B, ceil(H/p), ceil(W/p), C); zeros are added at the bottom and the right.
    Source: Swin (arXiv 2103.14030) section 3.1; the releases for dense tasks pad, those for classification refuse.
    """

    def __init__(self, in_channels: int, dim: int, patch: int = 4, position: PositionTable | None = None):
        super().__init__()
        self.patch = patch
        self.project = nn.Conv2d(in_channels, dim, patch, patch)
        self.norm = nn.LayerNorm(dim)
        self.position = position

    def forward(self, x: Tensor) -> Tensor:
        bottom, right = (-(-s // self.patch) * self.patch - s for s in x.shape[-2:])
        if some((bottom, right)):
            x = F.pad(x, (0, right, 0, bottom))
        x = self.norm(self.project(x).movedim(1, -1))
        return x if self.position is None else self.position(x)


class ClipEmbed(nn.Module):
    """Non-overlapping patches of several frames, one linear map each, a norm, and optionally a learned time.

    Shapes: (B, C_in, T, H, W) -> (B, ceil(T/p_t), ceil(H/p), ceil(W/p), C); zeros are added at the end of each axis.
    Source: Video Swin (arXiv 2106.13230) and the video part of Iwin's release, which adds the time.
    """

    def __init__(
        self, in_channels: int, dim: int, patch: tuple[int, int, int] = (2, 4, 4), time: TimeTable | None = None
    ):
        super().__init__()
        self.patch = patch
        self.project = nn.Conv3d(in_channels, dim, patch, patch)
        self.norm = nn.LayerNorm(dim)
        self.time = time

    def forward(self, x: Tensor) -> Tensor:
        late, bottom, right = (-(-s // p) * p - s for s, p in zip(x.shape[-3:], self.patch, strict=True))
        if some((late, bottom, right)):
            x = F.pad(x, (0, right, 0, bottom, 0, late))
        x = self.norm(self.project(x).movedim(1, -1))
        return x if self.time is None else self.time(x)


class ConvEmbed(nn.Module):
    """A strided overlapping convolution, then a norm: ScalableViT's stem and down-sampler in one.

    Shapes: (B, H, W, C_in) -> (B, ceil(H/s), ceil(W/s), C), kernel k odd, padding k // 2.
    Source: ScalableViT (arXiv 2203.10790) table 1. The release only takes sizes its strides divide.
    """

    def __init__(self, in_channels: int, dim: int, kernel: int, stride: int, eps: float):
        super().__init__()
        self.stride = stride
        project = nn.Conv2d(in_channels, dim, kernel, stride, kernel // 2)
        self.project = project.to(memory_format=torch.channels_last)
        self.norm = nn.LayerNorm(dim, eps)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.project(x.movedim(-1, 1)).movedim(1, -1))


class ConvStem(ConvEmbed):
    """`ConvEmbed` on a picture: (B, C_in, H, W) -> (B, ceil(H/s), ceil(W/s), C)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.movedim(1, -1))


class PositionTable(nn.Module):
    """A learned vector added at each position, resized bicubically when the grid is another.

    Shapes: (B, H, W, C) -> (B, H, W, C); the table is (1, H0, W0, C), normal with deviation 0.02.
    Source: Swin (arXiv 2103.14030) section 4.4, "abs. pos."; the resize is that of its dense release.
    """

    no_decay = ("table",)

    def __init__(self, grid: tuple[int, int], dim: int):
        super().__init__()
        self.table = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, *grid, dim), std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        return x + resize_grid(self.table, (x.shape[1], x.shape[2])).to(x.dtype)


class TimeTable(nn.Module):
    """A learned vector added at each moment, resized linearly when the clip has another length.

    Shapes: (B, T', H, W, C) -> (B, T', H, W, C); the table is (1, T'0, 1, 1, C), zeros at first.
    Source: the video part of Iwin's release, where T'0 is 32 / p_t and other lengths fail.
    """

    def __init__(self, length: int, dim: int):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, length, 1, 1, dim))

    def forward(self, x: Tensor) -> Tensor:
        return x + resize_time(self.table, x.shape[1]).to(x.dtype)


def resize_time(table: Tensor, length: int) -> Tensor:
    """(1, T'0, 1, 1, C) -> (1, T', 1, 1, C), linear with half-pixel centres; the table itself when T' is its own."""
    if not some((length - table.shape[1],)):
        return table
    series = table[:, :, 0, 0].movedim(1, -1)
    return F.interpolate(series, size=length, mode="linear", align_corners=False).movedim(-1, 1)[:, :, None, None]


def resize_grid(table: Tensor, grid: tuple[int, int]) -> Tensor:
    """(1, H0, W0, C) -> (1, H, W, C), bicubic with half-pixel centres; the table itself when the grid is its own."""
    if not some([new - old for new, old in zip(grid, table.shape[1:3], strict=True)]):
        return table
    return F.interpolate(table.movedim(-1, 1), size=grid, mode="bicubic", align_corners=False).movedim(1, -1)
