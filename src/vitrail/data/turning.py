"""From the frame of stored pixels to the upright picture, as an EXIF orientation says, for boxes and masks.

Only 5 to 8, which exchange width and height, ever need it: they can be told by the size that an annotation file says.
"""

from __future__ import annotations

import torch
from torch import Tensor

BACK = {1: 1, 5: 5, 6: 8, 7: 7, 8: 6}


def turn_boxes(boxes: Tensor, size: tuple[int, int], orientation: int) -> Tensor:
    """(n, 4) xyxy in stored pixels -> the same things in the upright picture.

    Args:
        size: (H, W) of the stored pixels.
        orientation: EXIF's, 1 or 5 to 8; `BACK[orientation]` with the upright size goes back.
    """
    if orientation == 1:
        return boxes
    height, width = size
    left, top, right, bottom = boxes.unbind(1)
    x1, x2 = (height - bottom, height - top) if orientation in (6, 7) else (top, bottom)
    y1, y2 = (width - right, width - left) if orientation in (7, 8) else (left, right)
    return torch.stack([x1, y1, x2, y2], 1)


def turn_masks(masks: Tensor, orientation: int) -> Tensor:
    """(n, H, W) in stored pixels -> (n, W, H) upright; 1 leaves them."""
    if orientation == 1:
        return masks
    flipped = [axis for axis, which in ((1, (7, 8)), (2, (6, 7))) if orientation in which]
    return masks.transpose(1, 2).flip(flipped)
