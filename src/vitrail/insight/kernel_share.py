"""Which input positions a convolution reads, and in what shares: the absolute values of its kernel, the rest left out.

Letters: B maps, H x W input positions, H' x W' output positions, K kernel sides.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.layers.embed import ConvEmbed
from vitrail.layers.merge import AverageMerge, ConvMerge, DepthwiseMerge, PatchMerge


def spread(
    relevance: Tensor,
    grid: tuple[int, int],
    kernel: Tensor,
    stride: int = 1,
    before: tuple[int, int] = (0, 0),
    exists: Tensor | None = None,
) -> Tensor:
    """Relevance of a convolution's outputs handed to its inputs: (B, H', W') -> (B, H, W), with the same sum.

    Each output gives what it has to the inputs that it reads, in the shares of the kernel there; what the kernel
    reads beyond the grid gets nothing, and a kernel of zeros shares evenly.

    Args:
        grid: (H, W).
        kernel: (K_h, K_w), 0 or more.
        before: Rows above and columns left of the grid that the first output reads.
        exists: (H, W) or (B, H, W), 0 where a position is padding; all of them exist by default.
    """
    kernel = (kernel + torch.finfo(kernel.dtype).tiny)[None, None]
    sides = [(n - 1) * stride + k for n, k in zip(relevance.shape[1:], kernel.shape[2:], strict=True)]
    there = relevance.new_ones(grid) if exists is None else exists.to(relevance.dtype)
    there = there.expand(1 if there.ndim == 2 else -1, *grid)[:, None]
    edges = [extra for b, s, n in zip(before, sides, grid, strict=True) for extra in (s - n - b, b)]
    there = F.pad(there, edges[::-1])  # a negative edge cuts off what no output reads
    shares = relevance[:, None] / F.conv2d(there, kernel, stride=stride).clamp_min(torch.finfo(kernel.dtype).tiny)
    given = F.conv_transpose2d(shares, kernel, stride=stride) * there
    return F.pad(given, [-edge for edge in edges[::-1]])[:, 0]


def positive(weight: Tensor) -> Tensor:
    """A convolution's weight, (C_out, C_in, K_h, K_w), as one kernel: the mean of absolute values, (K_h, K_w)."""
    return weight.detach().float().abs().mean((0, 1))


def step_down(down: nn.Module, grid: tuple[int, int], relevance: Tensor) -> Tensor:
    """Relevance of the positions after a step down handed to those before it: (B, H', W') -> (B, *grid).

    By the step's own weights where it has some for each place; an average shares evenly.
    Raises: TypeError for a step that is not known.
    """
    if isinstance(down, ConvMerge | DepthwiseMerge):
        return spread(relevance, grid, positive(down.conv.weight), 2)
    if isinstance(down, AverageMerge):
        return spread(relevance, grid, relevance.new_ones(2, 2), 2)
    if isinstance(down, PatchMerge):  # columns in the order of (row, column): 00, 10, 01, 11
        quarters = down.reduce.weight.detach().float().abs().unflatten(1, (4, -1)).mean((0, 2))
        return spread(relevance, grid, quarters.view(2, 2).T, 2)
    if isinstance(down, ConvEmbed):
        weight = down.project.weight
        return spread(relevance, grid, positive(weight), down.stride, (weight.shape[2] // 2, weight.shape[3] // 2))
    raise TypeError(f"{type(down).__name__}: how it hands positions down is not known.")
