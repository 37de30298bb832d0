"""`window="reach"`: the smallest windows under which two blocks of a stage connect every pair of positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from vitrail.errors import InputError
from vitrail.models.spec import Grid
from vitrail.pyramid import Block


def smallest_windows(grids: Sequence[Grid], pair: Callable[[int, Grid], tuple[Block, Block]]) -> tuple[Grid, ...]:
    """For each stage the smallest window, growing in steps of one on both axes up to the grid, that is global in two.

    Args:
        grids: (H, W) of each stage.
        pair: (stage, window) -> two consecutive blocks of it, of any width; built on the meta device.
    Source: computed from the blocks' own links; for Iwin's parallel block it equals the condition
        K >= 2·max(H, W) / M - 1 (a test compares).
    """
    found = []
    for stage, grid in enumerate(grids):
        for side in range(1, max(grid) + 1):
            window = (min(side, grid[0]), min(side, grid[1]))
            with torch.device("meta"):
                first, second = pair(stage, window)
            with torch.device("cpu"):
                reached = first.links(grid).then(second.links(grid)).everywhere
            if reached:
                found.append(window)
                break
        else:
            raise InputError(
                f"window='reach': no window makes two blocks of stage {stage + 1} global on a {grid} grid."
            )
    return tuple(found)
