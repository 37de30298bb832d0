"""Attention inside windows, block, interleaved or shifted, and what the papers add to it.

Letters: B batch, S grid axes, C channels, P windows of the whole batch, N tokens of a window, M window sides,
h heads, D width of a head.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from vitrail.geometry.links import Links, near_links, window_links
from vitrail.geometry.windows import Windows
from vitrail.kernels.attention import fused_attention
from vitrail.layers.linear import Linear
from vitrail.layers.relative import RelativeBias
from vitrail.mixers.conv import DepthwiseConv
from vitrail.mixers.heads import head_width


class WindowAttention(nn.Module):
    """Multi-head attention inside windows: softmax(q k^T / sqrt(D) + bias) v, over the N tokens of each.

    Shapes: (B, *S, C) -> (B, *S, C), any S.
    Args:
        bias: Add a learned bias by relative place inside the window.
        product: False leaves q k^T out, so that weights come from the bias alone ("rel. pos. w/o app.").
        qkv_bias: The projection to queries, keys and values has a bias. Seen padding then has it as key and value.
        local: A depthwise convolution of the values added to what attention gives, before the output projection:
            "map" over the whole grid (ScalableViT's LIM: it crosses windows), "window" inside each (its LEM).
        local_kernel: Its kernel. The paper leaves it open; 3 in the release.
    Source: Swin (arXiv 2103.14030) eq. 4 with block windows; Iwin (arXiv 2507.18405) eqs. 1 to 5 with interleaved
        ones; ScalableViT (arXiv 2203.10790) eqs. 4 and 5 with `local="map"`, which its appendix A also puts on other
        windows.
    Differs: the output projection stands after the crop, and LIM reads zeros, not the bias of seen padding, outside
        the grid (the release refuses sizes that need padding).
    Raises: ValueError if `heads` does not divide `dim`, or if `product` is off without a `bias`.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        windows: Windows,
        bias: bool = False,
        product: bool = True,
        qkv_bias: bool = True,
        local: Literal["map", "window"] | None = None,
        local_kernel: int = 3,
    ):
        super().__init__()
        if not product and not bias:
            raise ValueError("product=False needs bias=True: without both, all weights would be equal.")
        if bias and windows.by == "count":
            raise ValueError("bias=True needs windows by size: by count, a window grows with the grid.")
        self.heads = heads
        self.scale = head_width(dim, heads) ** -0.5
        self.windows = windows
        self.product = product
        self.qkv = Linear(dim, 3 * dim if product else dim, bias=qkv_bias)
        self.bias = RelativeBias(windows.size, heads) if bias else None
        axes = len(windows.size)
        self.lim = DepthwiseConv(dim, local_kernel, axes) if local == "map" else None
        self.lem = DepthwiseConv(dim, local_kernel, axes) if local == "window" else None
        self.proj = Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        if self.lim is None:
            return self.proj(self.windows.apply(lambda tokens, mask: self.attend(tokens, mask)[0], x))
        y, v = self.windows.apply(self.attend, x)
        return self.proj(y + self.lim(v))

    def attend(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """(P, N, C) -> what attention gives, and the values, (P, N, C) each."""
        qkv = self.qkv(x)
        bias = None if self.bias is None else self.bias()
        if self.product:
            split = qkv.view(*x.shape[:2], 3, self.heads, x.shape[-1] // self.heads).permute(2, 0, 3, 1, 4)
            q, k, v = split.unbind()  # (P, h, N, D) each
            y = fused_attention(q, k, v, self.scale, bias, mask)
        else:
            v = qkv.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            y = _bias_attention(v, bias, mask)
        y, values = y.transpose(1, 2).flatten(2), qkv[..., -x.shape[-1] :]
        return (y if self.lem is None else y + self._inside(values)), values

    def _inside(self, v: Tensor) -> Tensor:
        """LEM: (P, N, C) values convolved inside each window, zeros at its borders."""
        assert self.lem is not None
        return self.lem(v.unflatten(1, self._sides(v.shape[1]))).flatten(1, -2)

    def _sides(self, tokens: int) -> tuple[int, ...]:
        if self.windows.by == "size":
            return self.windows.size
        if len(self.windows.size) > 1:
            raise ValueError("local='window' over several axes needs windows by size.")
        return (tokens,)

    def links(self, size: tuple[int, ...]) -> Links:
        links = window_links(self.windows, size)
        return links if self.lim is None else links | near_links(size, self.lim.reach, self.lim.reach)


def _bias_attention(v: Tensor, bias: Tensor | None, mask: Tensor | None) -> Tensor:
    """softmax(bias) v with a mask: (P, h, N, D) -> (P, h, N, D)."""
    assert bias is not None
    weights = bias[None]
    if mask is not None:
        weights = weights.masked_fill(~mask[:, None], float("-inf"))
    weights = weights.softmax(-1).to(v.dtype)
    return torch.matmul(weights, v.unflatten(0, (-1, weights.shape[0]))).flatten(0, 1)
