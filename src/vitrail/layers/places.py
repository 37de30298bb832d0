"""Where a token stands, from formulas instead of tables: sines that are added, and angles by which pairs are turned.

Both follow from a grid alone, so that a model takes another one without a change.
Letters: B batch, N tokens of a grid of H x W, row-major, C channels, D width of a head.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from vitrail.tracing import tracing

Grid = tuple[int, int]


def sines(grid: Grid, dim: int, device: torch.device | None = None) -> Tensor:
    """(H, W, C) float64: the first half of the channels tells the column, the second the row.

    A half is [sin | cos] of position·10000^(-k / (C / 4)), k < C / 4, positions 0, 1, 2, ...
    Source: DiT (arXiv 2212.09748), its release's `pos_embed`.
    Raises: ValueError if 4 does not divide `dim`.
    """
    if dim % 4:
        raise ValueError(f"dim={dim}: sines of rows and columns need a multiple of 4.")
    frequencies = _frequencies(dim // 4, device)
    row, column = (
        torch.cat([angles.sin(), angles.cos()], -1)
        for angles in (torch.arange(side, device=device)[:, None] * frequencies for side in grid)
    )
    return torch.cat([column[None].expand(*grid, -1), row[:, None].expand(*grid, -1)], -1)


def turns(grid: Grid, width: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the angle of each pair of channels of a head, (N, D/2) float64 each.

    The first D/4 pairs turn with the row, the others with the column: position·10000^(-k / (D / 4)), k < D / 4.
    Source: RoPE (arXiv 2104.09864) along two axes, as in LightningDiT (arXiv 2501.01423).
    Raises: ValueError if 4 does not divide `width`.
    """
    if width % 4:
        raise ValueError(f"heads of {width} channels: turning by row and column needs a multiple of 4.")
    if tracing():
        return _turns(grid, width, device)
    return _kept(grid, width, device)


def line_turns(first: int, behind: int, width: int, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """As `turns`, for the places first, ..., behind - 1 of a line, (N, D/2) float64 each: place·10000^(-k / (D / 2)).

    Source: RoPE (arXiv 2104.09864).
    Raises: ValueError if 2 does not divide `width`.
    """
    if width % 2:
        raise ValueError(f"heads of {width} channels: turning by place needs a multiple of 2.")
    angles = torch.arange(first, behind, device=device)[:, None] * _frequencies(width // 2, device)
    return angles.cos(), angles.sin()


def turn(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Each pair of neighbouring channels (2i, 2i + 1) of x (..., N, D), turned by its angle, in float32 or better."""
    wide = x if x.dtype == torch.float64 else x.float()
    cos, sin = (part.to(wide.dtype) for part in turns)
    first, second = wide.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([first * cos - second * sin, second * cos + first * sin], -1).flatten(-2).to(x.dtype)


def _frequencies(count: int, device: torch.device | None) -> Tensor:
    return 10000.0 ** (-torch.arange(count, dtype=torch.float64, device=device) / count)


def _turns(grid: Grid, width: int, device: torch.device | None) -> tuple[Tensor, Tensor]:
    frequencies = _frequencies(width // 4, device)
    row, column = (torch.arange(side, device=device)[:, None] * frequencies for side in grid)
    angles = torch.cat([row[:, None].expand(*grid, -1), column[None].expand(*grid, -1)], -1).flatten(0, 1)
    return angles.cos(), angles.sin()


@lru_cache(maxsize=16)
def _kept(grid: Grid, width: int, device: torch.device | None) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):  # what is kept may serve a training step next
        return _turns(grid, width, device)
