"""What a head that answers at every position gives.   B pictures, A anchors a position, K classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Dense(NamedTuple):
    """For each map, scores before any sigmoid (B, A * K, H, W) and offsets (B, A * 4, H, W), anchor by anchor."""

    scores: list[Tensor]
    deltas: list[Tensor]


def grids(dense: Dense) -> list[tuple[int, int]]:
    """(H, W) of each map."""
    return [(int(x.shape[-2]), int(x.shape[-1])) for x in dense.scores]


def flat(maps: Sequence[Tensor], values: int) -> Tensor:
    """Maps (B, A * values, H, W) -> (B, sum of H * W * A, values), in the order of the anchors."""
    return torch.cat([x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, values) for x in maps], 1)
