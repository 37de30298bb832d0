"""Attention over a whole grid whose queries and keys are turned by where they stand.

Letters: B batch, N tokens of the grid, C channels, h heads, D width of a head.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from vitrail.geometry.links import Links, all_links
from vitrail.kernels.attention import fused_attention
from vitrail.layers.linear import Linear
from vitrail.layers.places import turn, turns
from vitrail.mixers.heads import head_width


class RotaryAttention(nn.Module):
    """Multi-head attention of every token with every other: softmax(R q (R k)^T / sqrt(D)) v, R a turn by place.

    Shapes: (B, H, W, C) -> (B, H, W, C), any H and W.
    Args:
        qk_norm: Makes a norm over the D channels of each query, and one of each key, before they are turned.
        rotate: False leaves R out.
    Source: LightningDiT (arXiv 2501.01423) section 3.2 and its release: rows and columns take half of the channels
        each, neighbouring channels are a pair.
    Raises: ValueError if `heads` does not divide `dim`, or 4 the width of a head that is turned.
    """

    def __init__(self, dim: int, heads: int, qk_norm: Callable[[int], nn.Module] | None = None, rotate: bool = True):
        super().__init__()
        self.heads, self.width, self.rotate = heads, head_width(dim, heads), rotate
        if rotate:
            turns((1, 1), self.width)
        self.qkv = Linear(dim, 3 * dim)
        self.q_norm = qk_norm(self.width) if qk_norm else None
        self.k_norm = qk_norm(self.width) if qk_norm else None
        self.proj = Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        q, k, v = self.qkv(x.flatten(1, 2)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q).to(v.dtype), self.k_norm(k).to(v.dtype)
        if self.rotate:
            angles = turns((height, width), self.width, x.device)
            q, k = turn(q, angles), turn(k, angles)
        y = fused_attention(q, k, v, self.width**-0.5)  # (B, h, N, D)
        return self.proj(y.transpose(1, 2).flatten(2)).unflatten(1, (height, width))

    def links(self, size: tuple[int, ...]) -> Links:
        return all_links(size)
