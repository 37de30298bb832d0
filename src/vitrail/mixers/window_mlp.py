"""A fixed linear map over the tokens of a window in place of attention.

Letters: P windows of the whole batch, N tokens of a window, C channels, h heads, D channels of a head.
"""

from __future__ import annotations

import math
from math import prod

import torch
from torch import Tensor, nn

from vitrail.geometry.links import Links, window_links
from vitrail.geometry.windows import Windows
from vitrail.kernels import moves
from vitrail.mixers.heads import head_width
from vitrail.tracing import settled


class WindowMLP(nn.Module):
    """For each head, one N x N linear map with bias over the tokens of a window, shared by the head's D channels.

    Shapes: (B, *S, C) -> (B, *S, C), any S; windows by size. Weight (h, N, N) and bias (h, N), output token first.
    Source: Swin-MLP, in Swin's release and its (arXiv 2103.14030) table 10. Windows shift by zeros, not cyclically.
    Raises: ValueError if `heads` does not divide `dim`, or if windows are masked or wrap a shift round: a fixed map
        cannot leave a token out.
    """

    def __init__(self, dim: int, heads: int, windows: Windows):
        super().__init__()
        head_width(dim, heads)
        if windows.padding != "seen" or "count" in windows.kinds or (windows.shift and windows.wrap):
            raise ValueError("WindowMLP takes windows by size, with seen padding, and a shift with wrap=False.")
        self.heads = heads
        self.windows = windows
        tokens = prod(windows.size)
        bound = 1 / math.sqrt(tokens)  # PyTorch's default for the convolution that the release uses
        self.weight = nn.Parameter(torch.empty(heads, tokens, tokens).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(heads, tokens).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return moves.apply(self.windows, self.mix, x)

    def mix(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(P, N, C) -> (P, N, C)."""
        x_PhND = settled(x.unflatten(-1, (self.heads, -1)).transpose(1, 2))
        weight = settled(self.weight.expand(x.shape[0], -1, -1, -1))
        return (weight @ x_PhND + self.bias[..., None]).transpose(1, 2).flatten(2)

    def links(self, size: tuple[int, ...]) -> Links:
        return window_links(self.windows, size)
