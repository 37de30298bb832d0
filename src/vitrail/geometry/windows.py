"""Cut a grid into windows, mix inside each, put it back: block, interleaved or shifted, over any number of axes.

Letters: B batch, S the grid axes (any number), C channels, G windows along an axis, M tokens of a window along
that axis, N tokens of a window over all axes. Tokens are channels-last.

Along one axis a position is a pair, window g and place m. Block windows read it as (g m), neighbours share a window;
interleaved windows read it as (m g), every G-th token shares one. Everything after that is the same for both.

Sources: Swin (arXiv 2103.14030) for block and shifted windows, Iwin (arXiv 2507.18405) for interleaved ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vitrail.tracing import some


def cut(x: Tensor, size: tuple[int, ...], interleaved: bool = False) -> Tensor:
    """(B, *S, C) -> (B, *G, *M, C) with M = `size`. Each axis of S must be a multiple of its M."""
    n, shape = len(size), x.shape
    pairs = [(m, s // m) if interleaved else (s // m, m) for s, m in zip(shape[1:-1], size, strict=True)]
    x = x.reshape(shape[0], *itertools.chain(*pairs), shape[-1])
    left, right = range(1, 2 * n, 2), range(2, 2 * n + 1, 2)
    windows, tokens = (right, left) if interleaved else (left, right)
    return x.permute(0, *windows, *tokens, -1)


def join(x: Tensor, interleaved: bool = False) -> Tensor:
    """(B, *G, *M, C) -> (B, *S, C), the inverse of `cut`."""
    n = (x.ndim - 2) // 2
    windows, tokens = range(1, n + 1), range(n + 1, 2 * n + 1)
    outer, inner = (tokens, windows) if interleaved else (windows, tokens)
    shape = [x.shape[g] * x.shape[m] for g, m in zip(windows, tokens, strict=True)]
    order = [axis for pair in zip(outer, inner, strict=True) for axis in pair]
    return _copied(x.permute(0, *order, -1)).view(x.shape[0], *shape, x.shape[-1])


Mix = Callable[[Tensor, Tensor | None], Tensor | tuple[Tensor, ...]]
By = Literal["size", "count"]


class Axis(NamedTuple):
    """How one axis of `length` positions is laid into windows: pad, roll, cut into `tokens` each."""

    length: int
    front: int  # padding before the first position
    back: int  # padding after the last
    roll: int  # positions moved from the front to the end
    tokens: int  # M
    windows: int  # G

    @property
    def padded(self) -> int:
        return self.tokens * self.windows


@dataclass(frozen=True)
class Windows:
    """Windows over a grid, with resolved numbers: it decides nothing, the paper's file did.

    Args:
        size: One number an axis. `by="size"`: tokens of a window, M (pictures). `by="count"`: windows, G, so that
            interleaved tokens keep a fixed stride whatever the length (sequences).
        by: For all axes, or one for each: `size=(1, 7, 7), by=("count", "size", "size")` holds every frame of a clip.
        interleaved: Every G-th token shares a window, instead of neighbours.
        shift: Positions by which the windows are moved, one number an axis in [0, M); None is no shift.
        padding: A grid that is no multiple of its windows is padded at the end of each axis. "seen": padding takes
            part as the releases for dense tasks leave it (zeros). "masked": nobody meets it, and a window
            larger than the grid is global attention.
        wrap: A shift rolls the grid, and what was rolled round is masked from the rest (Swin's cyclic shift). False:
            the grid is padded by M - shift in front instead, one window more on each shifted axis; with
            `padding="masked"` it is the same function.
    """

    size: tuple[int, ...]
    interleaved: bool = False
    shift: tuple[int, ...] | None = None
    padding: Literal["seen", "masked"] = "seen"
    by: By | tuple[By, ...] = "size"
    wrap: bool = True

    def __post_init__(self) -> None:
        if not self.size or min(self.size) < 1:
            raise ValueError(f"Windows: size={self.size} needs at least one axis, and numbers of 1 or more.")
        if self.shift is not None and (len(self.shift) != len(self.size) or min(self.shift) < 0):
            raise ValueError(f"Windows: shift={self.shift} needs a number of 0 or more for each axis of {self.size}.")
        if len(self.kinds) != len(self.size) or not set(self.kinds) <= {"size", "count"}:
            raise ValueError(
                f"Windows: by={self.by!r} is 'size' or 'count', or one of them for each axis of {self.size}."
            )
        if self.shift is not None and any(
            kind == "size" and s >= m for s, m, kind in zip(self.shift, self.size, self.kinds, strict=True)
        ):
            raise ValueError(f"Windows: shift={self.shift} must be smaller than the window {self.size} on each axis.")

    @property
    def kinds(self) -> tuple[By, ...]:
        """What `size` numbers on each axis."""
        return (self.by,) * len(self.size) if isinstance(self.by, str) else self.by

    def axes(self, shape: tuple[int, ...]) -> list[Axis]:
        """The layout of each axis of a grid of `shape`, (*S)."""
        if len(shape) != len(self.size):
            raise ValueError(f"Windows of {len(self.size)} axes were given a grid of {len(shape)}: {tuple(shape)}.")
        axes = []
        shifts = self.shift or (0,) * len(self.size)
        for length, number, shift, kind in zip(shape, self.size, shifts, self.kinds, strict=True):
            m = number if kind == "size" else -(-length // number)
            if shift and kind == "count" and shift >= m:
                raise ValueError(f"Windows: shift={shift} must be smaller than the {m} tokens of a window.")
            front = m - shift if shift and not self.wrap else 0
            g = -(-(length + front) // m) if kind == "size" or front else number
            axes.append(Axis(length, front, g * m - front - length, shift if self.wrap else 0, m, g))
        return axes

    def mask(self, shape: tuple[int, ...], device: torch.device | None = None) -> Tensor | None:
        """Who meets whom in each window: (G, N, N) boolean, True where they meet; None when everybody does.

        A slot is in place, wrapped round by the shift, or padding; two tokens meet when they agree on every axis.
        """
        return self._mask(self.axes(shape), device)

    def _mask(self, axes: list[Axis], device: torch.device | None) -> Tensor | None:
        hidden = self.padding == "masked" and some(_amounts(axes))
        if not hidden and not any(a.roll for a in axes):
            return None
        label = torch.zeros((), dtype=torch.long, device=device)
        for a in axes:
            slot = torch.arange(a.padded, device=device)
            source = (slot + a.roll) % a.padded - a.front
            here = (slot >= a.padded - a.roll).long()
            if self.padding == "masked":
                here = torch.where((source < 0) | (source >= a.length), 2, here)
            label = 3 * label[..., None] + here
        label = _copied(cut(label[None, ..., None], tuple(a.tokens for a in axes), self.interleaved))
        label = label.view(prod([a.windows for a in axes]), prod([a.tokens for a in axes]))  # (G, N)
        return label[:, :, None] == label[:, None, :]

    def apply(self, mix: Mix, x: Tensor) -> Any:
        """Pad, roll, cut, mix, join, roll back, crop: (B, *S, C) -> (B, *S, C').

        Args:
            mix: Given tokens (B·G, N, C), batch slowest, and the mask (G, N, N) or None, returns (B·G, N, C'), or a
                tuple of several such: then a tuple of several grids comes back.
            x: Any S. Padding holds zeros, so that after a linear projection it holds the bias.
        """
        axes = self.axes(x.shape[1:-1])
        n, batch = len(axes), x.shape[0]
        mask = self._mask(axes, x.device)
        if some(_amounts(axes)):
            x = F.pad(x, _edges(axes, 1))
        if any(a.roll for a in axes):
            x = torch.roll(x, tuple(-a.roll for a in axes), tuple(range(1, n + 1)))
        x = _copied(cut(x, tuple(a.tokens for a in axes), self.interleaved))
        count, tokens = prod([a.windows for a in axes]), prod([a.tokens for a in axes])
        mixed = mix(x.view(batch * count, tokens, x.shape[-1]), mask)
        if isinstance(mixed, tuple):
            return tuple(self._back(y, axes, batch) for y in mixed)
        return self._back(mixed, axes, batch)

    def _back(self, x: Tensor, axes: list[Axis], batch: int) -> Tensor:
        """(B·G, N, C) -> (B, *S, C)."""
        x = _copied(x).view(batch, *(a.windows for a in axes), *(a.tokens for a in axes), x.shape[-1])
        x = join(x, self.interleaved)
        if any(a.roll for a in axes):
            x = torch.roll(x, tuple(a.roll for a in axes), tuple(range(1, len(axes) + 1)))
        if some(_amounts(axes)):
            x = F.pad(x, _edges(axes, -1))
        return x


def membership(windows: Windows, shape: tuple[int, ...]) -> Tensor:
    """The window of each position, (*S) long: window numbers row-major over the grid of windows (G)."""
    axes = windows.axes(shape)
    number = torch.zeros((), dtype=torch.long)
    for a in axes:
        slot = (torch.arange(a.length) + a.front - a.roll) % a.padded
        number = number[..., None] * a.windows + (slot % a.windows if windows.interleaved else slot // a.tokens)
    return number


def _edges(axes: list[Axis], sign: int) -> list[int]:
    """What `F.pad` wants for a channels-last grid: no channels, then the last axis first."""
    return [0, 0, *(sign * edge for a in reversed(axes) for edge in (a.front, a.back))]


def _amounts(axes: list[Axis]) -> list[int]:
    return [edge for a in axes for edge in (a.front, a.back)]


def _copied(x: Tensor) -> Tensor:
    """x in the order of its axes, without a look at how it lies: that would bind an exported graph to one answer."""
    return x.clone(memory_format=torch.contiguous_format)
