"""The shape of what is in a region.   n regions, K classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.data import rle
from vitrail.data.detections import Instances, Rle
from vitrail.data.rle_moves import moved
from vitrail.heads.convs import kaiming

SIZE, SIDE = 14, 28  # of the features that a mask head reads, and of the masks that it gives


class MaskHead(nn.Module):
    """Four 3x3 convolutions with ReLU, a transposed one that doubles the side, 1x1 to a mask for every class.

    Shapes: (n, dim, 14, 14) -> (n, K, 28, 28), before the sigmoid.
    Source: Mask R-CNN (arXiv 1703.06870) figure 4. Kaiming-normal by fan-out.
    """

    def __init__(self, dim: int, num_classes: int, convs: int = 4) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1) for _ in range(convs))
        self.up = nn.ConvTranspose2d(dim, dim, 2, 2)
        self.masks = nn.Conv2d(dim, num_classes, 1)
        for layer in (*self.convs, self.up, self.masks):
            kaiming(layer)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.relu(conv(x))
        return self.masks(F.relu(self.up(x)))


def mask_loss(masks: Tensor, classes: Tensor, wanted: Tensor) -> Tensor:
    """Mean cross entropy of the masks of each region's own class; 0 without regions.

    Args:
        masks: (n, K, 28, 28), before the sigmoid.     classes: (n,).     wanted: (n, 28, 28) of 0 and 1.
    """
    own = masks[torch.arange(len(masks), device=masks.device), classes].float()
    return F.binary_cross_entropy_with_logits(own, wanted, reduction="sum") / max(wanted.numel(), 1)


def mask_targets(target: Instances, boxes: Tensor, things: Tensor) -> Tensor:
    """The mask of a thing as its region sees it: (n, 28, 28) of 0 and 1.

    A cell is on where at least half of it is. Masks are unpacked one at a time.
    Args:
        boxes: (n, 4) regions.     things: (n,), which thing of `target` each stands for.
    """
    from torchvision.ops import roi_align

    if target.masks is None:
        raise ValueError("a mask head learns from masks, and this picture's things have none.")
    found = boxes.new_zeros((len(boxes), SIDE, SIDE))
    for thing in things.unique().tolist():
        packed = target.masks[thing]
        mask = rle.decode((packed,), target.size)[0] if isinstance(packed, Rle) else packed
        here = (things == thing).nonzero()[:, 0]
        seen = roi_align(mask.to(boxes)[None, None], [boxes[here]], SIDE, 1.0, 0, True)
        found[here] = (seen[:, 0] >= 0.5).to(found)
    return found


def paste(mask: Tensor, box: Tensor, size: tuple[int, int], threshold: float = 0.5) -> Tensor:
    """A square mask stretched over its box: (S, S) of [0, 1] and (4,) -> (H, W) bool, on the mask's device.

    A pixel reads the mask at its centre, bilinearly; outside the mask is 0.
    """
    part, (top, left) = _stretched(mask, box, size, threshold)
    whole = torch.zeros(size, dtype=torch.bool, device=mask.device)
    whole[top : top + part.shape[0], left : left + part.shape[1]] = part
    return whole


def pack(masks: Tensor, boxes: Tensor, size: tuple[int, int], threshold: float = 0.5) -> tuple[Rle, ...]:
    """Masks (n, S, S) in the boxes (n, 4) of a picture of `size`: `paste`, packed, without the picture's pixels."""
    found = []
    for mask, box in zip(masks.float(), boxes, strict=True):
        part, corner = _stretched(mask, box, size, threshold)
        found.append(moved(rle.encode(part[None])[0], corner, size))
    return tuple(found)


def _stretched(mask: Tensor, box: Tensor, size: tuple[int, int], threshold: float) -> tuple[Tensor, tuple[int, int]]:
    """The part of a picture that a box reaches, (h, w) bool, and its corner (top, left); one pixel for an empty box."""
    height, width = size
    x1, y1, x2, y2 = box.tolist()
    left, right = max(int(x1) - 1, 0), min(int(x2) + 2, width)
    top, bottom = max(int(y1) - 1, 0), min(int(y2) + 2, height)
    if right <= left or bottom <= top or x2 <= x1 or y2 <= y1:
        return torch.zeros(1, 1, dtype=torch.bool, device=mask.device), (0, 0)
    x = (torch.arange(left, right, device=mask.device) + 0.5 - x1) / (x2 - x1) * 2 - 1
    y = (torch.arange(top, bottom, device=mask.device) + 0.5 - y1) / (y2 - y1) * 2 - 1
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)[None].to(mask)
    read = F.grid_sample(mask[None, None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return read[0, 0] >= threshold, (top, left)
