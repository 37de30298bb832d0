"""Attention over a window that slides with the query.

Letters: B batch, S grid axes, C channels, h heads, D width of a head, M window sides, N = prod(M).
"""

from __future__ import annotations

from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.geometry.links import Links, near_links
from vitrail.layers.linear import Linear
from vitrail.mixers.heads import head_width
from vitrail.tracing import settled


class SlidingAttention(nn.Module):
    """Each position attends to the window around itself: M // 2 before it to (M - 1) // 2 after it on each axis.

    Shapes: (B, *S, C) -> (B, *S, C), any S. What lies outside the grid is left out.
    Args:
        bias: A learned number for each of the N places around the query and each head, added to the logits.
    Source: the "sliding window" rows of Swin (arXiv 2103.14030) tables 5 and 6, whose code was not released.
    Differs: written with unfolded views ("naive" in table 5); its bias has N rows, one for each place, since
        sliding windows see only those.
    Raises: ValueError if `heads` does not divide `dim`.
    """

    def __init__(self, dim: int, heads: int, size: tuple[int, ...], bias: bool = True, qkv_bias: bool = True):
        super().__init__()
        self.heads = heads
        self.scale = head_width(dim, heads) ** -0.5
        self.size = size
        self.qkv = Linear(dim, 3 * dim, bias=qkv_bias)
        self.table = nn.Parameter(nn.init.trunc_normal_(torch.empty(prod(size), heads), std=0.02)) if bias else None
        self.no_decay = ("table",) if bias else ()
        self.proj = Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).unbind(-3)  # (B, *S, h, D) each
        logits = (q.unsqueeze(-2) * self.scale * self._around(k)).sum(-1)  # (B, *S, h, N)
        if self.table is not None:
            logits = logits + self.table.T
        exists = self._around(x.new_ones((1, *x.shape[1:-1], 1, 1))) > 0.5
        weights = logits.masked_fill(~exists[..., 0], float("-inf")).softmax(-1)
        y = (weights.unsqueeze(-2) @ self._around(v)).flatten(-3)  # (B, *S, h, 1, D) -> (B, *S, C)
        return self.proj(y)

    def _around(self, x: Tensor) -> Tensor:
        """(B, *S, h, D) -> (B, *S, h, N, D): the N positions around each, zeros outside."""
        edges = [edge for m in reversed(self.size) for edge in (m // 2, (m - 1) // 2)]
        x = F.pad(x, (0, 0, 0, 0, *edges))
        for axis, m in enumerate(self.size, start=1):
            x = x.unfold(axis, m, 1)
        return settled(x).flatten(-len(self.size)).transpose(-1, -2)

    def links(self, size: tuple[int, ...]) -> Links:
        terms = [near_links((s,), m // 2, (m - 1) // 2).terms[0] for s, m in zip(size, self.size, strict=True)]
        return Links((tuple(axis for (axis,) in terms),))
