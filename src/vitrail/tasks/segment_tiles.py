"""A large picture looked at in tiles that overlap, its label map put together tile by tile.

Only one tile's tensors stand in memory beside the picture and its label map. Each pixel is taken from the tile in which
it lies deepest: what two tiles share is parted in its middle.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from vitrail.errors import InputError
from vitrail.models.segmenters import Segmenter
from vitrail.tasks.segment_views import Look


class Span(NamedTuple):
    """Of a tile along one axis: pixels `first` to `last` are looked at, `low` to `high` of them are taken."""

    first: int
    last: int
    low: int
    high: int


def spans(length: int, side: int, shared: int, multiple: int = 1) -> list[Span]:
    """Tiles of `side` pixels, or less where the axis ends, that together take each of `length` pixels once.

    Args:
        shared: Pixels that neighbours have in common at least.
        multiple: Every tile begins at one of it, so that maps of that stride fall on those of the whole picture.
    Raises: InputError where no step is left.
    """
    step = (side - shared) // multiple * multiple
    if length > side and (step < 1 or shared < 0):
        raise InputError(
            f"tile={side}, of which neighbours share {shared}: wanted at least {multiple} pixels more than they share."
        )
    firsts = [0] if length <= side else [step * number for number in range(-(-(length - side) // step) + 1)]
    borders = [0, *((one + side + after) // 2 for one, after in pairwise(firsts)), length]
    return [
        Span(first, min(first + side, length), *borders[number : number + 2]) for number, first in enumerate(firsts)
    ]


def alignment(model: Segmenter, room: int) -> int:
    """Pixels, `room` at most, at multiples of which a tile's windows, or at least its maps, are the whole picture's.

    Interleaved windows depend on the size of the map and are never the same; block windows of one size are at
    multiples of the window on the last map.
    """
    window = getattr(model.backbone.spec, "window", 1)
    stride = model.strides[-1]
    fitting = (stride * window if isinstance(window, int) else stride, stride)
    return next((each for each in fitting if each <= room), 1)


def look_in_tiles(look: Look, image: Image.Image, side: int, shared: int, multiple: int = 1) -> Tensor:
    """The class of each pixel of a large picture, each tile looked at as a picture of its own, (H, W) uint8.

    Args:
        side, shared, multiple: As for `spans`, of both axes.
    """
    down, along = (spans(length, side, shared, multiple) for length in (image.height, image.width))
    found = torch.empty(image.height, image.width, dtype=torch.uint8)
    for row in down:
        for column in along:
            said = look(image.crop((column.first, row.first, column.last, row.last)))
            inside = said[row.low - row.first : row.high - row.first, column.low - column.first :]
            found[row.low : row.high, column.low : column.high] = inside[:, : column.high - column.low]
    return found
