"""Scalable self-attention: every position reads the whole grid, made smaller in space and scaled in channels.

Letters: B batch, H x W grid, C channels, c = int(C · ratio), s reduction side, h heads, N = H·W, R reduced positions.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.geometry.links import Links, all_links
from vitrail.kernels.attention import fused_attention
from vitrail.layers.linear import Linear, linear
from vitrail.mixers.heads import head_width
from vitrail.tracing import settled, some


class ScalableAttention(nn.Module):
    """Attention with keys and values from a grid reduced by `reduction` on each side, queries and keys c wide.

    Shapes: (B, H, W, C) -> (B, H, W, C), any H and W: zeros at the end fill up to a multiple of `reduction`.
    Args:
        ratio: r_c, the width of queries and keys over C. Without a reduction it changes no shape, but it still
            changes the scale (C / h · ratio)^-0.5, as in the release.
        reduction: s, the side of the patches that the reduction turns into one position; 1 is none. The paper's
            r_n is 1 / s^2.
    Source: ScalableViT (arXiv 2203.10790) eqs. 2 and 3. The LayerNorm of the reduction has eps 1e-5, all others of that
        model 1e-6.
    Raises: ValueError if `heads` does not divide C, or c.
    """

    def __init__(self, dim: int, heads: int, ratio: float = 1.0, reduction: int = 1, qkv_bias: bool = True):
        super().__init__()
        self.heads, self.reduction = heads, reduction
        self.scale = (head_width(dim, heads) * ratio) ** -0.5
        if reduction > 1:
            scaled = int(dim * ratio)
            head_width(scaled, heads, f"int({dim} · {ratio})")
            self.q = Linear(dim, scaled, bias=qkv_bias)
            self.reduce = nn.Conv2d(dim, dim, reduction, reduction, groups=dim)
            self.expand = nn.Conv2d(dim, scaled, 1)
            self.norm = nn.LayerNorm(scaled, 1e-5)
            self.k = Linear(scaled, scaled, bias=qkv_bias)
            self.v = Linear(scaled, dim, bias=qkv_bias)
        else:
            self.q = Linear(dim, dim, bias=qkv_bias)
            self.kv = Linear(dim, 2 * dim, bias=qkv_bias)
        self.proj = Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        q = self.q(x).flatten(1, 2)
        if self.reduction > 1:
            small = self.reduced(x)
            k, v = self.k(small), self.v(small)
        else:
            k, v = self.kv(x).flatten(1, 2).chunk(2, -1)
        q, k, v = (t.reshape(*t.shape[:2], self.heads, -1).transpose(1, 2) for t in (q, k, v))
        y = fused_attention(q, k, v, self.scale).transpose(1, 2)
        return self.proj(y.reshape(x.shape))

    def reduced(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, R, c)."""
        s = self.reduction
        bottom, right = (-(-side // s) * s - side for side in x.shape[1:3])
        if some((bottom, right)):
            x = F.pad(x, (0, 0, 0, right, 0, bottom))
        x = settled(self.reduce(x.movedim(-1, 1)).flatten(2).transpose(1, 2))
        x = linear(x, self.expand.weight.flatten(1), self.expand.bias)  # a 1x1 convolution, on channels-last tokens
        return F.gelu(self.norm(x))

    def links(self, size: tuple[int, ...]) -> Links:
        return all_links(size)
