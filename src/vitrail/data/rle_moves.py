"""Masks as run lengths moved from frame to frame, without the pixels of the whole frame.   n masks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitrail.data import rle
from vitrail.data.detections import Rle


def moved(mask: Rle, corner: tuple[int, int], size: tuple[int, int]) -> Rle:
    """A mask of a part of a picture as a mask of the whole.

    Only the part is unpacked, so that the memory is the part's, however large the picture.
    Args:
        corner: (top, left) of the part in the whole.     size: (H, W) of the whole; the part lies inside it.
    """
    if tuple(mask.size) == tuple(size):
        return mask
    columns = np.asarray(rle.api().decode([rle.theirs(mask)]))[:, :, 0]
    x, y = np.divmod(np.flatnonzero(columns.ravel("F")), mask.size[0])
    place = (x + corner[1]) * size[0] + y + corner[0]  # column by column, as runs are counted
    begins = np.flatnonzero(np.diff(place, prepend=-2) != 1)
    ends = np.append(begins[1:], len(place)) - 1 if len(place) else begins
    edges = np.stack([place[begins], place[ends] + 1], 1).ravel()
    runs = np.diff(edges, prepend=0, append=size[0] * size[1])
    return rle.read({"size": list(size), "counts": runs.tolist()}, size)


def mirrored(mask: Rle) -> Rle:
    """The mask of the mirror image, left for right."""
    return rle.encode(rle.decode((mask,), mask.size).flip(2))[0]


def joined(masks: Sequence[Rle]) -> Rle:
    """What is in any of the masks, all of one size; at least one."""
    found = rle.api().merge([rle.theirs(mask) for mask in masks], False)
    return Rle(tuple(found["size"]), found["counts"])
