"""Masks as run lengths and back, by faster-coco-eval's copy of COCO's own arithmetic.   n masks of H x W pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vitrail.data.detections import Masks, Rle
from vitrail.errors import InputError


def encode(masks: Tensor) -> tuple[Rle, ...]:
    """(n, H, W) bool -> n `Rle`."""
    size = (int(masks.shape[1]), int(masks.shape[2]))
    if not len(masks):
        return ()
    if not size[0] * size[1]:
        raise ValueError(f"masks of {size[0]} x {size[1]} pixels have no runs.")
    columns = np.asfortranarray(masks.detach().to("cpu", torch.uint8).permute(1, 2, 0).numpy())
    return tuple(_ours(found) for found in api().encode(columns))


def decode(masks: Masks, size: tuple[int, int]) -> Tensor:
    """n `Rle` of (H, W) -> (n, H, W) bool; a tensor stays what it is."""
    if isinstance(masks, Tensor):
        return masks
    if not masks:
        return torch.zeros(0, *size, dtype=torch.bool)
    columns = api().decode([theirs(mask) for mask in masks])
    return torch.from_numpy(np.ascontiguousarray(columns.transpose(2, 0, 1))).bool()


def areas(masks: Sequence[Rle]) -> Tensor:
    """n `Rle` -> (n,) float32, pixels."""
    found = api().area([theirs(mask) for mask in masks]) if masks else []
    return torch.as_tensor(np.asarray(found, dtype=np.float32))


def boxes(masks: Sequence[Rle]) -> Tensor:
    """n `Rle` -> (n, 4) xyxy around the pixels of each, float32; 0, 0, 0, 0 around none."""
    found = np.asarray(api().toBbox([theirs(mask) for mask in masks]) if masks else [], dtype=np.float32)
    corners = torch.as_tensor(found).reshape(-1, 4)
    return torch.cat([corners[:, :2], corners[:, :2] + corners[:, 2:]], 1)


def boxes_of(masks: Tensor) -> Tensor:
    """(n, H, W) bool -> (n, 4) xyxy around the pixels of each, float32: a single pixel's box has sides of 1.

    0, 0, 0, 0 around none. torchvision's `masks_to_boxes` ends at the last pixel's index, one less.
    """
    sides = []
    for axis in (1, 2):  # over y: what stands in each column; over x: in each row
        some = masks.any(axis)
        length = some.shape[1]
        first = some.float().argmax(1)
        last = length - some.flip(1).float().argmax(1)
        there = some.any(1)
        sides.append((first * there, last * there))
    (left, right), (top, bottom) = sides
    return torch.stack([left, top, right, bottom], 1).float()


def read(segment: Any, size: tuple[int, int]) -> Rle:
    """A COCO `segmentation`: polygons [[x, y, x, y, ...], ...], or run lengths as a list or packed into a string.

    Args:
        size: (H, W) of the picture.
    Raises: ValueError with what is wrong, in a few words.
    """
    height, width = size
    if isinstance(segment, list):
        polygons = [[float(value) for value in polygon] for polygon in segment]
        if not polygons or any(len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
            raise ValueError("a polygon of fewer than three points")
        if not np.isfinite(np.concatenate([np.asarray(polygon) for polygon in polygons])).all():
            raise ValueError("a polygon that is not finite")
        return _ours(api().merge(api().frPyObjects(polygons, height, width)))
    if not isinstance(segment, dict) or not {"size", "counts"} <= set(segment):
        raise ValueError("neither polygons nor run lengths")
    if [int(side) for side in segment["size"]] != [height, width]:
        raise ValueError(f"run lengths for {segment['size'][1]} x {segment['size'][0]} pixels")
    counts = segment["counts"]
    if isinstance(counts, list):
        if any(not isinstance(run, int) or run < 0 for run in counts) or sum(counts) != height * width:
            raise ValueError("run lengths that do not add up to the picture")
        return _ours(api().frPyObjects({"size": [height, width], "counts": counts}, height, width))
    packed = counts.encode("ascii", "replace") if isinstance(counts, str) else bytes(counts)
    if sum(_unpack(packed)) != height * width:
        raise ValueError("run lengths that do not add up to the picture")
    return Rle((height, width), packed)


def write(mask: Rle) -> dict[str, Any]:
    """As result files have it: {"size": [H, W], "counts": "..."}."""
    return {"size": list(mask.size), "counts": mask.counts.decode("ascii")}


def theirs(mask: Rle) -> dict[str, Any]:
    """As faster-coco-eval and pycocotools take it."""
    return {"size": list(mask.size), "counts": mask.counts}


def _ours(found: dict[str, Any]) -> Rle:
    counts = found["counts"]
    return Rle(
        (int(found["size"][0]), int(found["size"][1])), counts.encode("ascii") if isinstance(counts, str) else counts
    )


def _unpack(packed: bytes) -> list[int]:
    """The run lengths in a packed string; ValueError where it holds none.

    Five bits a character from the lowest up, 32 where more follow, 16 of the last is the sign; from the third run on
    the difference to the run before the last one. Source: maskApi.c of cocoapi. Looked at here because the library
    trusts what it is given.
    """
    runs: list[int] = []
    value = shift = 0
    for character in packed:
        bits = character - 48
        if not 0 <= bits < 64:
            raise ValueError("run lengths that are not packed as COCO packs them")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        if runs[-1] < 0:
            raise ValueError("run lengths below 0")
        value = shift = 0
    if shift:
        raise ValueError("run lengths that break off")
    return runs


def api() -> Any:
    """faster_coco_eval.core.mask. Raises: InputError where it is missing."""
    try:
        from faster_coco_eval.core import mask
    except ImportError as error:
        raise InputError("Masks need faster-coco-eval, which is missing: pip install 'vitrail[detection]'.") from error
    return mask
