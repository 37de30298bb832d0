"""Which positions an attention reads, and in what shares: its weights, averaged over heads, handed from above.

A matrix A (T, T) whose rows sum to one is never built: relevance r of the outputs, (B, T), becomes r A of the inputs.
Of each mixer the weights of padding are left out and the others made to sum to one again.

Letters: B pictures, S grid, T = prod(S), C channels, G windows, P = B·G, N tokens of a window, h heads, D head width,
R reduced positions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.errors import InputError
from vitrail.geometry.links import Linked
from vitrail.insight.kernel_share import positive, spread
from vitrail.kernels.moves import rows_of
from vitrail.mixers import DepthwiseConv, ScalableAttention, SlidingAttention, Sum, WindowAttention
from vitrail.models.swin import ShiftThenPad

AT_ONCE = 2**24  # weights in memory
Noted = dict[nn.Module, Tensor]  # each mixer's input


def hand_down(mixer: nn.Module, noted: Noted, relevance: Tensor) -> Tensor:
    """(B, *S) of a mixer's outputs -> (B, *S) of its inputs; each picture's sum stays.

    Of mixers side by side each gets the same part. Raises: InputError for a mixer without attention.
    """
    if isinstance(mixer, Sum):
        parts = [hand_down(each, noted, relevance) for each in mixer.children()]
        return torch.stack(parts).mean(0)
    for kind, rule in RULES:
        if isinstance(mixer, kind):
            return rule(mixer, noted[mixer], relevance)
    inside = [child for child in mixer.children() if isinstance(child, Linked)]
    if len(inside) == 1:  # a mixer that brings its norm
        return hand_down(inside[0], noted, relevance)
    raise InputError(f"rollout follows attention, and {type(mixer).__name__} has none; --kind cam, field and features.")


def windows_share(mixer: WindowAttention, x: Tensor, relevance: Tensor) -> Tensor:
    """Attention in windows of every kind; of LIM and LEM the kernel, with the same part as the attention."""
    grid = tuple(relevance.shape[1:])
    flat, place = relevance.flatten(1), torch.arange(relevance[0].numel(), device=x.device).view(grid)
    if isinstance(mixer, ShiftThenPad):
        x, place = _padded_after(mixer, x, place)
    rows = rows_of(mixer.windows, tuple(x.shape[1:-1]), x.device)
    place = place.flatten()[rows.source]
    filled = place >= 0 if rows.filled is None else (place >= 0) & rows.filled
    tokens = x.flatten(1, -2)[:, rows.source] * filled[:, None]
    tokens = tokens.reshape(-1, rows.tokens, x.shape[-1])  # (P, N, C)
    held = (flat[:, place] * filled).view(-1, rows.tokens)  # (P, N)
    real = filled.view(-1, rows.tokens)  # (G, N)
    parts = []
    step = max(AT_ONCE // (mixer.heads * rows.tokens**2), 1)
    for start in range(0, len(tokens), step):
        window = torch.arange(start, min(start + step, len(tokens)), device=x.device) % rows.windows
        mask = None if rows.mask is None else rows.mask[window]
        weights = window_weights(mixer, tokens[start : start + step], mask) * real[window][:, None]
        weights = weights / weights.sum(-1, keepdim=True).clamp_min(1e-30)
        parts.append((held[start : start + step, None] @ weights)[:, 0])
    found = torch.cat(parts)
    if mixer.lem is not None:
        sides = tuple(axis.tokens for axis in mixer.windows.axes(tuple(x.shape[1:-1])))
        exists = real.repeat(len(x), 1).view(-1, *sides)
        near = spread(held.view(-1, *sides), sides, *_kernel(mixer.lem), exists=exists)  # type: ignore[arg-type]
        found = (found + near.flatten(1)) / 2
    whole = torch.zeros_like(flat)
    whole[:, place[filled]] = found.view(len(x), -1)[:, filled]
    given = whole.view_as(relevance)
    return given if mixer.lim is None else (given + conv_share(mixer.lim, x, relevance)) / 2


def window_weights(mixer: WindowAttention, tokens: Tensor, mask: Tensor | None) -> Tensor:
    """The weights of attention in windows, averaged over heads: (P, N, C), mask (P, N, N) or None -> (P, N, N)."""
    logits = tokens.new_zeros(())
    if mixer.product:
        qkv = mixer.qkv(tokens).unflatten(-1, (3, mixer.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = qkv[0], qkv[1]  # (P, h, N, D)
        if mixer.q_norm is not None and mixer.k_norm is not None:
            q, k = mixer.q_norm(q), mixer.k_norm(k)
        logits = mixer.scale * q @ k.mT
    if mixer.bias is not None:
        logits = logits + mixer.bias()
    logits = logits.expand(len(tokens), -1, -1, -1).float()
    if mask is not None:
        logits = logits.masked_fill(~mask[:, None], float("-inf"))
    return logits.softmax(-1).mean(1)


def reduced_share(mixer: ScalableAttention, x: Tensor, relevance: Tensor) -> Tensor:
    """SSA: what a reduced key gets goes to the positions it was made from, in the shares of the reduction's kernel."""
    grid, s = (relevance.shape[1], relevance.shape[2]), mixer.reduction
    small = mixer.reduced(x) if s > 1 else x.flatten(1, 2)
    q = mixer.q(x).flatten(1, 2).unflatten(-1, (mixer.heads, -1)).transpose(1, 2)  # (B, h, T, D)
    k = mixer.k(small) if s > 1 else mixer.kv(small).chunk(2, -1)[0]
    k = k.unflatten(-1, (mixer.heads, -1)).transpose(1, 2)  # (B, h, R, D)
    flat, found = relevance.flatten(1), relevance.new_zeros(len(x), k.shape[2])
    step = max(AT_ONCE // (len(x) * mixer.heads * k.shape[2]), 1)
    for start in range(0, flat.shape[1], step):
        weights = (mixer.scale * q[:, :, start : start + step] @ k.mT).float().softmax(-1).mean(1)
        found = found + (flat[:, None, start : start + step] @ weights)[:, 0]
    if s == 1:
        return found.view_as(relevance)
    return spread(found.view(-1, *(-(-side // s) for side in grid)), grid, positive(mixer.reduce.weight), s)


def sliding_share(mixer: SlidingAttention, x: Tensor, relevance: Tensor) -> Tensor:
    """Attention in a window round each query."""
    height, width = relevance.shape[1:]
    m, n = mixer.size
    edges = (n // 2, (n - 1) // 2, m // 2, (m - 1) // 2)
    q, k, _ = mixer.qkv(x).unflatten(-1, (3, mixer.heads, -1)).unbind(-3)  # (B, H, W, h, D)
    around = F.unfold(F.pad(k.flatten(3).movedim(-1, 1), edges), mixer.size)  # (B, h D N, T)
    around = around.view(len(x), mixer.heads, -1, m * n, height * width)
    logits = mixer.scale * torch.einsum("bthd,bhdnt->bhnt", q.flatten(1, 2), around)
    if mixer.table is not None:
        logits = logits + mixer.table.T[:, :, None]
    exists = F.unfold(F.pad(x.new_ones(1, 1, height, width), edges), mixer.size) > 0.5
    weights = logits.masked_fill(~exists[:, None], float("-inf")).float().softmax(2).mean(1)  # (B, N, T)
    given = weights * relevance.flatten(1)[:, None]
    folded = F.fold(given, (height + m - 1, width + n - 1), mixer.size)[:, 0]
    return folded[:, m // 2 : m // 2 + height, n // 2 : n // 2 + width]


def conv_share(mixer: DepthwiseConv, x: Tensor, relevance: Tensor) -> Tensor:
    """A depthwise convolution, LIM and PEG among them: the shares of its kernel."""
    kernel, stride, before = _kernel(mixer)
    return spread(relevance, (relevance.shape[1], relevance.shape[2]), kernel, stride, before)


RULES: tuple[tuple[type[nn.Module], Callable[[Any, Tensor, Tensor], Tensor]], ...] = (
    (WindowAttention, windows_share),
    (ScalableAttention, reduced_share),
    (SlidingAttention, sliding_share),
    (DepthwiseConv, conv_share),
)


def _kernel(conv: DepthwiseConv) -> tuple[Tensor, int, tuple[int, int]]:
    """Its kernel without signs, its stride, and what it reads before the first position."""
    kernel = positive(conv.conv.get_parameter("weight"))
    return kernel, 1, (kernel.shape[0] // 2, kernel.shape[1] // 2)


def _padded_after(mixer: ShiftThenPad, x: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """The map as this mixer hands it to its windows, and the position that stands at each place there, -1 for none."""
    axes = mixer.windows.axes(tuple(x.shape[1:-1]))
    bottom, right = (a.padded - a.length for a in axes)
    if not (bottom or right):
        return x, place
    there, back = tuple(-a.roll for a in axes), tuple(a.roll for a in axes)
    x = F.pad(torch.roll(x, there, (1, 2)), (0, 0, 0, right, 0, bottom))
    place = F.pad(torch.roll(place, there, (0, 1)), (0, right, 0, bottom), value=-1)
    return torch.roll(x, back, (1, 2)), torch.roll(place, back, (0, 1))
