"""Each token moved once into its window and once back: the fast twin of `Windows.apply`.

Padding, rolling and cutting are together one choice of rows: slot t of window g reads one position of the map, or is
empty. So is the way back, and each is the gradient of the other. The rows are computed with plain numbers from the
sizes, so that a graph traced for free sizes has no branch on them; otherwise they are kept for the next call.

Letters: B batch, S grid axes, P = prod(S) positions, C channels, G windows, N tokens of a window.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from vitrail.geometry.windows import Mix, Windows
from vitrail.tracing import some, tracing


class Rows(NamedTuple):
    """Which rows a grid and its windows exchange."""

    source: Tensor  # (G·N) the position that each slot reads; any position where the slot is empty
    slot: Tensor  # (P) the slot that holds each position
    filled: Tensor | None  # (G·N) False where a slot is padding; None when none is
    mask: Tensor | None  # (G, N, N) who meets whom, as `Windows.mask`
    windows: int  # G
    tokens: int  # N


def apply(windows: Windows, mix: Mix, x: Tensor, pad: Tensor | None = None) -> Any:
    """`windows.apply(mix, x)`, with another filling of the padding where `pad` is given.

    Args:
        mix: Given tokens (B·G, N, C), batch slowest, and the mask (G, N, N) or None, returns (B·G, N, C'), or a
            tuple of several such: then a tuple of several grids comes back.
        x: (B, *S, C), any S.
        pad: (C), what an empty slot holds; zeros by default.
    """
    if torch.compiler.is_exporting() and pad is None:  # other formats have pads and transposes, and no rows to keep
        return windows.apply(mix, x)
    batch, shape, channels = x.shape[0], x.shape[1:-1], x.shape[-1]
    rows = rows_of(windows, tuple(shape), x.device)
    tokens = _Move.apply(x.reshape(batch, prod(list(shape)), channels), rows.source, rows.slot, None)
    if rows.filled is not None:
        tokens = torch.where(rows.filled[:, None], tokens, tokens.new_zeros(()) if pad is None else pad)
    mixed = mix(_shaped(tokens, batch * rows.windows, rows.tokens, channels), rows.mask)

    def back(y: Tensor) -> Tensor:
        y = _shaped(y, batch, rows.windows * rows.tokens, y.shape[-1])
        return _Move.apply(y, rows.slot, rows.source, rows.filled).view(batch, *shape, y.shape[-1])

    return tuple(back(y) for y in mixed) if isinstance(mixed, tuple) else back(mixed)


def _shaped(x: Tensor, *shape: int) -> Tensor:
    """x in `shape`, by way of one axis: a trace for free sizes then need not ask whether B·G is B."""
    return x.reshape(-1).view(shape)


class _Move(torch.autograd.Function):
    """x[:, index] of x (B, R, C), whose gradient is the move back, `filled` rows only: a choice of rows as well."""

    @staticmethod
    def forward(x: Tensor, index: Tensor, inverse: Tensor, filled: Tensor | None) -> Tensor:
        return x.index_select(1, index)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        index, inverse, filled = ctx.saved_tensors
        moved = _Move.apply(gradient.contiguous(), inverse, index, None)
        if filled is not None:
            moved = torch.where(filled[:, None], moved, moved.new_zeros(()))
        return moved, None, None, None


def rows_of(windows: Windows, shape: tuple[int, ...], device: torch.device) -> Rows:
    """The rows for a grid of `shape`, (*S); kept from call to call outside of traces."""
    if tracing():
        return _rows(windows, shape, device)
    return _kept(windows, shape, device)


@lru_cache(maxsize=64)
def _kept(windows: Windows, shape: tuple[int, ...], device: torch.device) -> Rows:
    with torch.inference_mode(False):  # what is kept may serve a training step next
        return _rows(windows, shape, device)


def _rows(windows: Windows, shape: tuple[int, ...], device: torch.device) -> Rows:
    axes = windows.axes(shape)
    count, tokens = prod([a.windows for a in axes]), prod([a.tokens for a in axes])
    number = torch.arange(count * tokens, device=device)
    window, place = number // tokens, number % tokens
    position = torch.arange(prod(list(shape)), device=device)
    source, label = torch.zeros_like(number), torch.zeros_like(number)
    home, slot = torch.zeros_like(position), torch.zeros_like(position)
    filled = torch.ones_like(number, dtype=torch.bool)
    steps = (1, 1, 1)  # of a position, a window and a place to the next along the axis, last axis first
    for a in reversed(axes):
        by_position, by_window, by_place = steps
        g, m = window // by_window % a.windows, place // by_place % a.tokens
        laid = m * a.windows + g if windows.interleaved else g * a.tokens + m
        along = (laid + a.roll) % a.padded - a.front
        inside = (along >= 0) & (along < a.length)
        here = (laid >= a.padded - a.roll).long()
        label = 3 * label + (torch.where(inside, here, 2) if windows.padding == "masked" else here)
        source, filled = source + along.clamp(0, a.length - 1) * by_position, filled & inside
        laid = (position // by_position % a.length + a.front + a.padded - a.roll) % a.padded
        g, m = (laid % a.windows, laid // a.windows) if windows.interleaved else (laid // a.tokens, laid % a.tokens)
        home, slot = home + g * by_window, slot + m * by_place
        steps = (by_position * a.length, by_window * a.windows, by_place * a.tokens)
    padded = some([edge for a in axes for edge in (a.front, a.back)])
    mask = None
    if (windows.shift and windows.wrap) or (padded and windows.padding == "masked"):
        pair = torch.arange(count * tokens * tokens, device=device)
        query, key = pair // tokens, pair // tokens**2 * tokens + pair % tokens
        mask = (label[query] == label[key]).view(count, tokens, tokens)
    return Rows(source, home * tokens + slot, filled if padded else None, mask, count, tokens)
