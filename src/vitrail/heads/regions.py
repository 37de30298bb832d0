"""What a map says about a box: RoIAlign on the level that suits the box's size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

FINEST = 56  # pixels: boxes of less than twice this side are read from the first level


def levels_of(boxes: Tensor, count: int) -> Tensor:
    """floor(log2(sqrt(w h) / 56)) of boxes (n, 4), cut to 0 ... count - 1: (n,) long.

    Source: FPN (arXiv 1612.03144) eq. 1.
    """
    side = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).clamp(min=0).sqrt()
    return (side / FINEST + 1e-6).log2().floor().clamp(0, count - 1).long()


def read(maps: Sequence[Tensor], strides: Sequence[int], boxes: Sequence[Tensor], size: int) -> Tensor:
    """RoIAlign of every box from its level, (n, C, size, size), n boxes of all pictures in their order.

    Half a pixel is taken off ("aligned"), and as many samples are averaged as a cell has pixels. torchvision's
    MultiScaleRoIAlign does neither the one nor, for ragged sizes, know the strides.
    Args:
        maps: One (B, C, H, W) for each of `strides`.
        boxes: (n_b, 4) for each of the B pictures.
    """
    from torchvision.ops import roi_align

    every = torch.cat(list(boxes)).float()
    number = torch.cat([torch.full_like(each[:, :1], index) for index, each in enumerate(boxes)])
    rois = torch.cat([number.float(), every], 1)
    level = levels_of(every, len(maps))
    found = maps[0].new_zeros((len(rois), maps[0].shape[1], size, size), dtype=torch.float32)
    for index, (x, stride) in enumerate(zip(maps, strides, strict=True)):
        here = (level == index).nonzero()[:, 0]
        found = found.index_put((here,), roi_align(x.float(), rois[here], size, 1 / stride, 0, True))
    return found.to(maps[0].dtype)
