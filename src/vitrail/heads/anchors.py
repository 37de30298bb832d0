"""Anchors: the boxes that a dense head moves onto things."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Anchors:
    """Boxes round each position of maps at several strides.

    Position (row, column) of a map has its centre at (column, row) times the stride, with no half-cell offset, as
    mmdetection's configurations of the papers have it. Sides are not rounded, and strides are given: torchvision's
    generator rounds, and guesses strides from sizes, which goes wrong for maps whose sides were rounded up.

    Args:
        strides: Of the maps.
        scales: Sides of the square anchors, in strides.
        ratios: Height over width. For each, all scales: A = len(ratios) * len(scales) anchors a position.
    """

    def __init__(self, strides: Sequence[int], scales: Sequence[float], ratios: Sequence[float] = (0.5, 1.0, 2.0)):
        self.strides, self.scales, self.ratios = tuple(strides), tuple(scales), tuple(ratios)
        self.count = len(self.scales) * len(self.ratios)

    def __call__(self, grids: Sequence[tuple[int, int]], device: torch.device) -> list[Tensor]:
        """One (H * W * A, 4) for each map (H, W), position by position, row by row: xyxy in pixels, float32."""
        return [self._of(stride, grid, device) for stride, grid in zip(self.strides, grids, strict=True)]

    def inside(
        self, anchors: Sequence[Tensor], size: tuple[int, int], border: float | None, multiple: int = 32
    ) -> Tensor:
        """Which anchors of all maps together may learn in a picture of `size`, (H, W): (sum of H * W * A,) bool.

        Args:
            border: How far an anchor may reach out of the picture, in pixels; None for any.
            multiple: Positions count up to the picture padded to this by itself; what a batch adds beyond does not.
        """
        height, width = (-(-side // multiple) * multiple for side in size)
        known = []
        for stride, boxes in zip(self.strides, anchors, strict=True):
            centres = (boxes[:, :2] + boxes[:, 2:]) / 2
            rows, columns = -(-height // stride), -(-width // stride)
            limit = centres.new_tensor([(columns - 0.5) * stride, (rows - 0.5) * stride])
            known.append((centres < limit).all(1))
        allowed = torch.cat(known)
        if border is None:
            return allowed
        boxes = torch.cat(list(anchors))
        far = boxes.new_tensor([size[1] + border, size[0] + border])
        return allowed & (boxes[:, :2] >= -border).all(1) & (boxes[:, 2:] < far).all(1)

    def _of(self, stride: int, grid: tuple[int, int], device: torch.device) -> Tensor:
        heights = torch.tensor(self.ratios, device=device).sqrt()
        sides = torch.tensor(self.scales, device=device) * stride
        half = torch.stack([(1 / heights)[:, None] * sides, heights[:, None] * sides], -1).reshape(-1, 2) / 2
        around = torch.cat([-half, half], 1)
        y, x = (torch.arange(length, device=device) * stride for length in grid)
        centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, 1, 2)
        return (torch.cat([centres, centres], -1) + around).reshape(-1, 4)
