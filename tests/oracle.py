"""The slow obvious way: dense attention over a padded grid, under the mask that its windows imply.

Written with Python loops over positions, sharing nothing with `vitrail.geometry`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from vitrail.geometry.windows import Windows


@dataclass
class Slot:
    """One position of a padded grid."""

    window: tuple[int, ...]
    place: tuple[int, ...]
    wrapped: tuple[bool, ...]
    real: tuple[bool, ...]


def axis_slots(windows: Windows, axis: int, length: int) -> tuple[int, list[tuple[int, int, bool, bool]]]:
    """Padding in front, and (window, place, wrapped, real) for each padded position of an axis."""
    number = windows.size[axis]
    shift = windows.shift[axis] if windows.shift else 0
    by = windows.by if isinstance(windows.by, str) else windows.by[axis]
    m = number if by == "size" else (length + number - 1) // number
    front = m - shift if shift and not windows.wrap else 0
    if by == "count" and not front:
        total = number * m
    else:
        total = front + length
        while total % m:
            total += 1
    g = total // m
    slots = []
    for position in range(total):
        slot = position
        if windows.wrap:
            slot = (position - shift) % total
        window, place = (slot % g, slot // g) if windows.interleaved else (slot // m, slot % m)
        slots.append((window, place, windows.wrap and position < shift, front <= position < front + length))
    return front, slots


def padded_slots(windows: Windows, shape: tuple[int, ...]) -> tuple[list[int], list[int], list[Slot]]:
    """Padding in front and padded length of each axis, and every padded position, row-major."""
    axes = [axis_slots(windows, axis, length) for axis, length in enumerate(shape)]
    slots = [Slot(*zip(*combination, strict=True)) for combination in itertools.product(*(a[1] for a in axes))]
    return [a[0] for a in axes], [len(a[1]) for a in axes], slots


def meet(a: Slot, b: Slot, windows: Windows) -> bool:
    """Whether two padded positions may read each other."""
    if a.window != b.window or a.wrapped != b.wrapped:
        return False
    return windows.padding == "seen" or a.real == b.real


def pad_grid(x: Tensor, front: list[int], lengths: list[int]) -> tuple[Tensor, tuple[slice, ...]]:
    """(B, *S, C) in a grid of zeros, and where it stands there."""
    inside = tuple(slice(f, f + s) for f, s in zip(front, x.shape[1:-1], strict=True))
    padded = x.new_zeros(x.shape[0], *lengths, x.shape[-1])
    padded[(slice(None), *inside)] = x
    return padded, inside


def dense_attention(mixer, x: Tensor) -> Tensor:
    """What a `WindowAttention` must give: (B, *S, C) -> (B, *S, C)."""
    windows, heads, shape = mixer.windows, mixer.heads, x.shape[1:-1]
    front, lengths, slots = padded_slots(windows, tuple(shape))
    padded, inside = pad_grid(x, front, lengths)
    qkv = padded.flatten(1, -2) @ mixer.qkv.weight.T + (0 if mixer.qkv.bias is None else mixer.qkv.bias)
    dim = x.shape[-1]
    v = qkv[..., -dim:]
    logits = x.new_zeros(x.shape[0], heads, len(slots), len(slots))
    if mixer.product:
        q, k = qkv[..., :dim], qkv[..., dim : 2 * dim]
        for head in range(heads):
            part = slice(head * dim // heads, (head + 1) * dim // heads)
            logits[:, head] = q[..., part] @ k[..., part].transpose(1, 2) * (dim // heads) ** -0.5
    mask = torch.tensor([[meet(a, b, windows) for b in slots] for a in slots])
    if mixer.bias is not None:
        for (i, a), (j, b) in itertools.product(enumerate(slots), repeat=2):
            if a.window != b.window:
                continue
            row = 0
            for m, p, q_ in zip(windows.size, a.place, b.place, strict=True):
                row = row * (2 * m - 1) + p - q_ + m - 1
            logits[:, :, i, j] += mixer.bias.table[row]
    weights = logits.masked_fill(~mask, float("-inf")).softmax(-1)
    y = torch.cat([weights[:, h] @ v[..., h * dim // heads : (h + 1) * dim // heads] for h in range(heads)], -1)
    if mixer.lem is not None:
        y = y + convolve_inside(mixer.lem.conv, v, slots)
    y = y.unflatten(1, lengths)[(slice(None), *inside)]
    if mixer.lim is not None:
        v_map = v.unflatten(1, lengths)[(slice(None), *inside)]
        y = y + mixer.lim.conv(v_map.movedim(-1, 1)).movedim(1, -1)
    return y @ mixer.proj.weight.T + mixer.proj.bias


def convolve_inside(conv, v: Tensor, slots: list[Slot]) -> Tensor:
    """A depthwise convolution over the places of each window, zeros outside the window: (B, T, C) -> (B, T, C)."""
    where = {(slot.window, slot.place): i for i, slot in enumerate(slots)}
    reach = conv.kernel_size[0] // 2
    out = conv.bias.expand_as(v).clone()
    for i, slot in enumerate(slots):
        for offset in itertools.product(range(-reach, reach + 1), repeat=len(slot.place)):
            j = where.get((slot.window, tuple(p + o for p, o in zip(slot.place, offset, strict=True))))
            if j is not None:
                out[:, i] += v[:, j] * conv.weight[(slice(None), 0, *(o + reach for o in offset))]
    return out


def reads(function, shape: tuple[int, ...], dim: int) -> Tensor:
    """Which output positions depend on which input positions of a layer in float64, by autograd: (T, T) boolean."""
    x = torch.randn(1, *shape, dim, dtype=torch.float64, requires_grad=True)
    y = (function(x) * torch.randn(dim, dtype=torch.float64)).flatten(1, -2).sum(-1)[0]
    rows = []
    for value in y:
        (gradient,) = torch.autograd.grad(value, x, retain_graph=True)
        rows.append(gradient.abs().sum(-1).flatten() > 0)
    return torch.stack(rows)
