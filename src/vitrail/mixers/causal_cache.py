"""What a mixer that looks back keeps of the tokens it has seen, so that the next one costs what it reads alone.

Letters: B batch, C channels, h heads, D width of a head, t the number of a token, from 0, N tokens there will be,
G lanes (residue classes), M = ceil(N / G) places of a lane, W tokens of the near window, K taps of a convolution.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from vitrail.geometry.sequence import lanes


class Keys:
    """Keys and values, (G, B, h, M, D) each: what one step reads of a batch item and a head lies together.

    Token t is kept in lane t mod G. At place t // G, all are kept; `last` keeps the newest M of the one lane instead.
    Args:
        like: A tensor of the type and on the device that are wanted.
    """

    def __init__(self, batch: int, heads: int, width: int, count: int, places: int, like: Tensor, last: bool = False):
        self.count, self.places, self.last = count, places, last
        self.k, self.v = (like.new_zeros(count, batch, heads, places, width) for _ in range(2))

    @classmethod
    def all(cls, batch: int, heads: int, width: int, count: int, length: int, like: Tensor) -> Keys:
        """Of every token of a line of N, in G lanes: G·M of them."""
        return cls(batch, heads, width, count, lanes(count).axes((length,))[0].tokens, like)

    @classmethod
    def recent(cls, batch: int, heads: int, width: int, most: int, length: int, like: Tensor) -> Keys:
        """Of the last W tokens, or of N where those are fewer."""
        return cls(batch, heads, width, 1, min(most, length), like, last=True)

    def _place(self, t: int) -> int:
        return t % self.places if self.last else t // self.count

    def put(self, t: int, k: Tensor, v: Tensor) -> None:
        """Keep token t, (B, h, D) each; the tokens before it are kept already."""
        self.k[t % self.count, :, :, self._place(t)], self.v[t % self.count, :, :, self._place(t)] = k, v

    def fill(self, k: Tensor, v: Tensor) -> None:
        """Keep the first tokens of the line at once, (B, h, n, D) each."""
        length = k.shape[2]
        for kept, came in ((self.k, k), (self.v, v)):
            for lane in range(self.count):
                first = max(length - self.places, 0) if self.last else lane
                places = [self._place(t) for t in range(first, length, self.count)]
                kept[lane][:, :, places] = came[:, :, first :: self.count].to(kept.dtype)

    def reads(self, t: int) -> int:
        """How many keys token t reads, its own included: t // G + 1, or the last min(t + 1, M)."""
        return min(t + 1, self.places) if self.last else t // self.count + 1

    def read(self, t: int) -> tuple[Tensor, Tensor]:
        """Those keys and values, (B, h, reads(t), D) each; a ring's in no order, which nothing here asks for."""
        lane, count = t % self.count, self.reads(t)
        return self.k[lane, :, :, :count], self.v[lane, :, :, :count]

    @property
    def tokens(self) -> int:
        """How many tokens there is room for."""
        return self.count * self.places

    def tensors(self) -> Iterator[Tensor]:
        yield from (self.k, self.v)


class Inputs:
    """The last K - 1 inputs of a causal convolution, oldest first, zeros before the line: (B, K - 1, C)."""

    def __init__(self, batch: int, dim: int, taps: int, like: Tensor):
        self.x = like.new_zeros(batch, taps - 1, dim)

    def put(self, x: Tensor) -> Tensor:
        """Keep the next, (B, C); gives the last K with it, (B, K, C)."""
        seen = torch.cat([self.x, x[:, None].to(self.x.dtype)], 1)
        self.x = seen[:, 1:]
        return seen

    def fill(self, x: Tensor) -> None:
        """Keep the first tokens of the line at once, (B, n, C)."""
        self.x = torch.cat([self.x, x.to(self.x.dtype)], 1)[:, x.shape[1] :].clone()

    def reads(self, t: int) -> int:
        """How many of them are tokens when token t comes."""
        return min(t, self.tokens)

    @property
    def tokens(self) -> int:
        return self.x.shape[1]

    def tensors(self) -> Iterator[Tensor]:
        yield self.x
