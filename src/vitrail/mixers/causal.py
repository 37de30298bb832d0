"""Mixers of a line of tokens that look back only, and keep what the next token will ask for.

Letters: B batch, N tokens of the line, C channels, h heads, D width of a head, G residue classes, W tokens of the near
window, K taps of a convolution, t the number of a token, from 0.

Beside `forward` each has `cache(batch, length)`, made for a line of `length` tokens, and `step(x, cache, t)`, which
gives for token t what `forward` gives for it; `forward` with a cache fills it with the tokens it is given, the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.geometry.links import Links, links_of, near_links
from vitrail.geometry.sequence import Stride, causal_links, lanes, stride_at
from vitrail.kernels.causal import causal_attention, recent_attention
from vitrail.layers.linear import Linear
from vitrail.layers.places import line_turns, turn
from vitrail.mixers.causal_cache import Inputs, Keys
from vitrail.mixers.heads import head_width


class Cached(Protocol):
    """What a mixer keeps: `reads(t)` entries of it serve token t, there is room for `tokens`."""

    @property
    def tokens(self) -> int: ...

    def reads(self, t: int) -> int: ...

    def tensors(self) -> Iterator[Tensor]: ...


class Several:
    """Several caches as one."""

    def __init__(self, parts: Sequence[Cached]):
        self.parts = parts

    def reads(self, t: int) -> int:
        return sum(part.reads(t) for part in self.parts)

    @property
    def tokens(self) -> int:
        return sum(part.tokens for part in self.parts)

    def tensors(self) -> Iterator[Tensor]:
        return chain.from_iterable(part.tensors() for part in self.parts)


class CausalAttention(nn.Module):
    """Token i attends to the tokens j <= i with j = i (mod G), and apart from that to the last W.

    Two softmaxes over the same queries, keys and values; what they give is added before the output projection, so
    that the parameters are those of full attention. G = 1 is full causal attention.
    A token reads ceil((i + 1) / G) keys and min(i + 1, W), N / G + W at most: N²/G + N·W products in all at a fixed G,
    about N^1.5 where G is "sqrt". There is no position in it: a token knows the order of the others only by who sees
    whom, and by G and W.

    Shapes: (B, N, C) -> (B, N, C), any N; memory grows with N.
    Args:
        stride: G; or "sqrt", the root of the length, rounded up. Then what a token reads depends on how long its line
            is to be, `length`: what goes on by `step` must be read with the length that its cache was made for.
        window: W; "stride" follows G; 0 leaves the near part out.
        rotate: Queries and keys are turned by their place (RoPE) first.
    Source: Iwin (arXiv 2507.18405) figure 10, a sketch: causal masks in interleaved windows, and plain causal windows
        beside them. The paper does not say how the two meet; here as its S1, in parallel.
    Raises: ValueError if `heads` does not divide `dim`.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        stride: Stride = 1,
        window: int | Literal["stride"] = 0,
        rotate: bool = False,
    ):
        super().__init__()
        self.heads, self.width = heads, head_width(dim, heads)
        self.stride, self.window, self.rotate = stride, window, rotate
        if rotate:
            line_turns(0, 1, self.width)
        self.qkv = Linear(dim, 3 * dim)
        self.proj = Linear(dim, dim)

    def numbers(self, length: int) -> tuple[int, int]:
        """G and W on a line of `length` tokens; W = 0 where there is no near part."""
        stride = stride_at(self.stride, length)
        return stride, stride if self.window == "stride" else self.window

    def forward(self, x: Tensor, length: int | None = None, cache: Any = None) -> Tensor:
        stride, window = self.numbers(x.shape[1] if length is None else length)
        qkv = self.qkv(x)
        if self.rotate:
            qkv = self._turned(qkv, 0)
        if cache is not None:
            _, k, v = self._split(qkv)
            for part in cache.parts:
                part.fill(k, v)
        y = self._attend(qkv) if stride == 1 else lanes(stride).apply(lambda tokens, _: self._attend(tokens), qkv)
        if window:
            q, k, v = self._split(qkv)
            y = y + recent_attention(q, k, v, window).transpose(1, 2).flatten(2)
        return self.proj(y)

    def step(self, x: Tensor, cache: Any, t: int) -> Tensor:
        """(B, C) -> (B, C)."""
        qkv = self.qkv(x)[:, None]
        q, k, v = self._split(self._turned(qkv, t) if self.rotate else qkv)  # (B, h, 1, D)
        y = torch.zeros_like(q)
        for part in cache.parts:
            part.put(t, k[:, :, 0], v[:, :, 0])
            y = y + F.scaled_dot_product_attention(q, *part.read(t))
        return self.proj(y.flatten(1))

    def cache(self, batch: int, length: int) -> Several:
        """Room for the keys and values of N tokens by residue class, and of the last W."""
        stride, window = self.numbers(length)
        sizes = (batch, self.heads, self.width)
        parts = [Keys.all(*sizes, stride, length, self.qkv.weight)]
        if window:
            parts.append(Keys.recent(*sizes, window, length, self.qkv.weight))
        return Several(parts)

    def _split(self, qkv: Tensor) -> list[Tensor]:
        """(P, N, 3C) -> queries, keys and values, (P, h, N, D) each."""
        return list(qkv.unflatten(-1, (3, self.heads, self.width)).permute(2, 0, 3, 1, 4).unbind())

    def _attend(self, qkv: Tensor) -> Tensor:
        """(P, N, 3C) -> (P, N, C)."""
        return causal_attention(*self._split(qkv)).transpose(1, 2).flatten(2)

    def _turned(self, qkv: Tensor, first: int) -> Tensor:
        """Queries and keys turned by their place, which for the first of them is `first`: (B, N, 3C)."""
        parts = qkv.unflatten(-1, (3 * self.heads, self.width)).transpose(1, 2)  # (B, 3h, N, D)
        angles = line_turns(first, first + qkv.shape[1], self.width, qkv.device)
        turned = turn(parts[:, : 2 * self.heads], angles)
        return torch.cat([turned, parts[:, 2 * self.heads :]], 1).transpose(1, 2).flatten(2)

    def links(self, size: tuple[int, ...]) -> Links:
        stride, window = self.numbers(size[0])
        return causal_links(size[0], stride, max(window, 1))

    def extra_repr(self) -> str:
        return f"heads={self.heads}, stride={self.stride}, window={self.window}, rotate={self.rotate}"


class CausalConv(nn.Module):
    """Depthwise convolution over each token and the K - 1 before it, with bias, zeros before the line.

    Shapes: (B, N, C) -> (B, N, C), any N; the last tap is the token's own.
    Source: Iwin (arXiv 2507.18405) figure 10. Written over two axes, of which one has length 1, for the layout that
        PyTorch's CPU kernel is fast in: three to eight times faster than over one, the same bits.
    Raises: ValueError for a `kernel` below 1.
    """

    def __init__(self, dim: int, kernel: int):
        super().__init__()
        if kernel < 1:
            raise ValueError(f"kernel={kernel}: a convolution has 1 tap or more.")
        self.kernel = kernel
        bound = kernel**-0.5  # as nn.Conv1d begins
        self.weight = nn.Parameter(torch.empty(dim, 1, kernel).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(dim).uniform_(-bound, bound))

    def forward(self, x: Tensor, length: int | None = None, cache: Any = None) -> Tensor:
        if cache is not None:
            cache.fill(x)
        x = F.pad(x, (0, 0, self.kernel - 1, 0)).transpose(1, 2)[:, :, None]  # (B, C, 1, N + K - 1), channels last
        return F.conv2d(x, self.weight[:, :, None], self.bias, groups=x.shape[1])[:, :, 0].transpose(1, 2)

    def step(self, x: Tensor, cache: Inputs, t: int) -> Tensor:
        """(B, C) -> (B, C)."""
        return (cache.put(x) * self.weight[:, 0].T).sum(1) + self.bias

    def cache(self, batch: int, length: int) -> Inputs:
        """The last K - 1 inputs."""
        return Inputs(batch, self.weight.shape[0], self.kernel, self.weight)

    def links(self, size: tuple[int, ...]) -> Links:
        return near_links(size, self.kernel - 1, 0)


class CausalSum(nn.Module):
    """attention(x) + conv(x), both looking back: Iwin's block in one dimension.

    Shapes: (B, N, C) -> (B, N, C).
    Source: Iwin (arXiv 2507.18405) figures 3 (S1) and 10.
    """

    def __init__(self, attention: CausalAttention, conv: CausalConv):
        super().__init__()
        self.attention = attention
        self.conv = conv

    def forward(self, x: Tensor, length: int | None = None, cache: Any = None) -> Tensor:
        near, far = (None, None) if cache is None else (cache.parts[1], cache.parts[0])
        return self.attention(x, length, far) + self.conv(x, length, near)

    def step(self, x: Tensor, cache: Any, t: int) -> Tensor:
        """(B, C) -> (B, C)."""
        return self.attention.step(x, cache.parts[0], t) + self.conv.step(x, cache.parts[1], t)

    def cache(self, batch: int, length: int) -> Several:
        return Several([self.attention.cache(batch, length), self.conv.cache(batch, length)])

    def links(self, size: tuple[int, ...]) -> Links:
        return links_of(self.attention, size) | links_of(self.conv, size)
