"""Boxes as offsets from others, and back.   n boxes, xyxy in pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LARGEST = math.log(1000 / 16)  # of the logarithm of a ratio of sides
Stds = tuple[float, float, float, float]
UNIT: Stds = (1.0, 1.0, 1.0, 1.0)


def encode(boxes: Tensor, anchors: Tensor, stds: Stds = UNIT) -> Tensor:
    """How to move and stretch `anchors` (n, 4) onto `boxes` (n, 4): (n, 4), steps of the centre in the anchor's sides
    and logarithms of the ratios of sides, each over its deviation. Sides are above 0.

    Source: R-CNN (arXiv 1311.2524) appendix C.
    """
    sides, wanted = anchors[:, 2:] - anchors[:, :2], boxes[:, 2:] - boxes[:, :2]
    steps = ((boxes[:, :2] + boxes[:, 2:]) - (anchors[:, :2] + anchors[:, 2:])) / 2 / sides
    return torch.cat([steps, (wanted / sides).log()], 1) / boxes.new_tensor(stds)


def decode(deltas: Tensor, anchors: Tensor, stds: Stds = UNIT) -> Tensor:
    """The inverse: `deltas` (n, ..., 4) from `anchors` (n, 4) -> boxes (n, ..., 4), float32.

    Logarithms are cut to +-ln(1000/16). torchvision's coder cuts above alone.
    """
    deltas = deltas.float() * deltas.new_tensor(stds, dtype=torch.float32)
    anchors = anchors.reshape(-1, *[1] * (deltas.ndim - 2), 4)
    sides = anchors[..., 2:] - anchors[..., :2]
    centre = (anchors[..., :2] + anchors[..., 2:]) / 2 + deltas[..., :2] * sides
    half = deltas[..., 2:].clamp(-LARGEST, LARGEST).exp() * sides / 2
    return torch.cat([centre - half, centre + half], -1)


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (..., 4) cut to a picture of `size`, (H, W)."""
    height, width = size
    return boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))


def with_area(boxes: Tensor) -> Tensor:
    """Which boxes have an inside: (n, 4) -> (n,) bool."""
    return (boxes[:, 2:] > boxes[:, :2]).all(1)


def best(
    boxes: Tensor, scores: Tensor, lowest: float, overlap: float, keep: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of boxes scored for each class, the surest that do not overlap within a class.

    Args:
        boxes: (n, 4), or (n, K, 4) where each class has its own.
        scores: (n, K) in [0, 1].
        lowest: Scores must be above it.
        overlap: The intersection over union that two of a class may have at most.
        keep: How many of all classes together.
    Returns: boxes (m, 4), scores (m,) falling, classes (m,), and the row of each in `scores`, (m,).
    """
    from torchvision.ops import batched_nms

    rows, classes = (scores > lowest).nonzero(as_tuple=True)
    chosen, found = scores[rows, classes].float(), boxes[rows, classes] if boxes.ndim == 3 else boxes[rows]
    order = batched_nms(found, chosen, classes, overlap)[:keep]
    return found[order], chosen[order], classes[order], rows[order]
