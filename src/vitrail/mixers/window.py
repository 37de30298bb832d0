"""Attention inside windows, block, interleaved or shifted, and what the papers add to it.

Letters: B batch, S grid axes, C channels, P windows of the whole batch, N tokens of a window, M window sides,
h heads, D width of a head.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn

from vitrail.geometry.links import Links, near_links, window_links
from vitrail.geometry.windows import Windows
from vitrail.kernels import choose, moves
from vitrail.kernels.attention import fused_attention
from vitrail.layers.linear import Linear
from vitrail.layers.relative import RelativeBias
from vitrail.mixers.conv import DepthwiseConv
from vitrail.mixers.heads import head_width
from vitrail.tracing import settled, statically_known_true

# projecting a row to 3C costs 6 C^2 flop, moving 2C more of it 16 C bytes; at 330 GFLOP/s and 20 GB/s, a CPU's, that is
# as much at C = 44. An estimate, not a measurement of this choice.
PER_CHANNEL = 44


class WindowAttention(nn.Module):
    """Multi-head attention inside windows: softmax(q k^T / sqrt(D) + bias) v, over the N tokens of each.

    Shapes: (B, *S, C) -> (B, *S, C), any S.
    Args:
        bias: Add a learned bias by relative place inside the window; or a module that gives it, () -> (h, N, N).
        product: False leaves q k^T out, so that weights come from the bias alone ("rel. pos. w/o app.").
        qkv_bias: The projection to queries, keys and values has a bias. Seen padding then has it as key and value.
        local: A depthwise convolution of the values added to what attention gives, before the output projection:
            "map" over the whole grid (ScalableViT's LIM: it crosses windows), "window" inside each (its LEM).
        local_kernel: Its kernel. The paper leaves it open; 3 in the release.
        qk_norm: Makes a norm over the D channels of each query, and another for the keys, before their product.
    Source: Swin (arXiv 2103.14030) eq. 4 with block windows; Iwin (arXiv 2507.18405) eqs. 1 to 5 with interleaved
        ones; ScalableViT (arXiv 2203.10790) eqs. 4 and 5 with `local="map"`, which its appendix A also puts on other
        windows; FlashDiT's release, the image generation of Iwin's, with `qk_norm`.
    Differs: the output projection stands after the crop, and LIM reads zeros, not the bias of seen padding, outside
        the grid (the release refuses sizes that need padding).
    Raises: ValueError if `heads` does not divide `dim`, or if `product` is off without a `bias`.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        windows: Windows,
        bias: bool | nn.Module = False,
        product: bool = True,
        qkv_bias: bool = True,
        local: Literal["map", "window"] | None = None,
        local_kernel: int = 3,
        qk_norm: Callable[[int], nn.Module] | None = None,
    ):
        super().__init__()
        if not product and not bias:
            raise ValueError("product=False needs bias=True: without both, all weights would be equal.")
        if not product and qk_norm:
            raise ValueError("product=False has no queries and keys: leave qk_norm out.")
        if bias and "count" in windows.kinds:
            raise ValueError("bias=True needs windows by size: by count, a window grows with the grid.")
        self.heads = heads
        self.scale = head_width(dim, heads) ** -0.5
        self.windows = windows
        self.product = product
        self.qkv = Linear(dim, 3 * dim if product else dim, bias=qkv_bias)
        self.bias = bias if isinstance(bias, nn.Module) else RelativeBias(windows.size, heads) if bias else None
        axes = len(windows.size)
        self.lim = DepthwiseConv(dim, local_kernel, axes) if local == "map" else None
        self.lem = DepthwiseConv(dim, local_kernel, axes) if local == "window" else None
        self.q_norm = qk_norm(dim // heads) if qk_norm else None
        self.k_norm = qk_norm(dim // heads) if qk_norm else None
        self.proj = Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        if x.is_cuda:
            ways: dict[str, choose.Way] = {"windows": self._through_windows}
            dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else x.dtype
            if self._kernel_takes(x, dtype):
                ways = {"triton": self._on_the_map, **ways}
            kind = (x.device, dtype, x.shape[-1], self.heads, self.windows, self.bias is None, torch.is_grad_enabled())
            return choose.run(kind, ways, x)
        return self._through_windows(x)

    def _through_windows(self, x: Tensor) -> Tensor:
        """Each token once into its window and once back; projected there, or before where padding would cost more."""
        pad = self.qkv.bias
        if self.projects_first(x):
            found = moves.apply(self.windows, self.attend, self.qkv(x), pad)
        else:
            found = moves.apply(self.windows, lambda tokens, mask: self.attend(self.qkv(tokens), mask), x)
        return self.proj(found if self.lim is None else found[0] + self.lim(found[1]))

    def _on_the_map(self, x: Tensor) -> Tensor:
        """No token moves: the kernel reads windows from the projected map."""
        from vitrail.kernels.triton_windows import windows_attention

        qkv, bias = self.qkv(x), None if self.bias is None else self.bias()
        y = windows_attention(qkv, self.windows, self.heads, self.scale, bias, self.qkv.bias)
        return self.proj(y if self.lim is None else y + self.lim(qkv[..., -x.shape[-1] :]))

    def _kernel_takes(self, x: Tensor, dtype: torch.dtype) -> bool:
        if not choose.HAS_TRITON or not self.product or self.lem is not None or self.q_norm is not None:
            return False
        from vitrail.kernels.triton_windows import supported

        like = x.new_empty((), dtype=dtype).expand(*x.shape[:-1], 3 * x.shape[-1])
        return supported(like, self.windows, self.heads) is None

    def projects_first(self, x: Tensor) -> bool:
        """Whether the rows that padding adds cost more to project than two thirds more channels cost to move."""
        axes = self.windows.axes(x.shape[1:-1])
        rows, padded = prod([a.length for a in axes]), prod([a.padded for a in axes])
        return statically_known_true((padded - rows) * x.shape[-1] > PER_CHANNEL * padded)

    def attend(self, qkv: Tensor, mask: Tensor | None) -> Tensor | tuple[Tensor, Tensor]:
        """(P, N, 3C) -> what attention gives, (P, N, C), and for LIM the values as well."""
        channels = self.proj.in_features
        bias = None if self.bias is None else self.bias()
        if self.product:
            split = qkv.view(*qkv.shape[:2], 3, self.heads, channels // self.heads).permute(2, 0, 3, 1, 4)
            q, k, v = split.unbind()  # (P, h, N, D) each
            if self.q_norm is not None and self.k_norm is not None:
                q, k = self.q_norm(q).to(v.dtype), self.k_norm(k).to(v.dtype)
            y = fused_attention(q, k, v, self.scale, bias, mask)
        else:
            v = settled(qkv.unflatten(-1, (self.heads, -1)).transpose(1, 2))
            y = _bias_attention(v, bias, mask)
        y = y.transpose(1, 2).flatten(2)
        if self.lem is not None:
            y = y + self._inside(qkv[..., -channels:])
        return y if self.lim is None else (y, qkv[..., -channels:])

    def _inside(self, v: Tensor) -> Tensor:
        """LEM: (P, N, C) values convolved inside each window, zeros at its borders."""
        assert self.lem is not None
        return self.lem(v.unflatten(1, self._sides(v.shape[1]))).flatten(1, -2)

    def _sides(self, tokens: int) -> tuple[int, ...]:
        if "count" not in self.windows.kinds:
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
    v = v.unflatten(0, (-1, weights.shape[0]))
    return torch.matmul(settled(weights.expand(*v.shape[:2], -1, -1, -1)), v).flatten(0, 1)
