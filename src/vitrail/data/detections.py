"""The currency of detection: what is in a picture (`Instances`), and what a model says is in it (`Detections`).

n: things in one picture.   Boxes are xyxy: left, top, right, bottom in pixels; a picture's own box is (0, 0, W, H).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

SLACK = 1e-2  # pixels by which rounding may move a side beyond the opposite one


class Rle(NamedTuple):
    """A mask as COCO's compressed run lengths: two hundred times smaller than its pixels.

    size: (H, W).     counts: The run lengths, columns first, as `rle.encode` packs them.
    """

    size: tuple[int, int]
    counts: bytes


Masks = Tensor | tuple[Rle, ...]


@dataclass(frozen=True, eq=False)
class Instances:
    """The truth of one picture.

    boxes: (n, 4) float32, x1 <= x2, y1 <= y2.     classes: (n,) int64 from 0.
    size: (H, W) of the picture whose pixels the boxes count.
    masks: (n, H, W) bool, or n `Rle` of that size; None where nobody drew any.
    crowd: (n,) bool; a region that is neither to be found nor wrong to be found: COCO's `iscrowd`, VOC's `difficult`.
        Default: none is.
    areas: (n,) float32, pixels, that decide what is small and large; default: of the dense masks, else of the boxes.
    picture: Its number in its data set, which a result file names.
    Raises: ValueError where shapes, types or values are others.
    """

    boxes: Tensor
    classes: Tensor
    size: tuple[int, int]
    masks: Masks | None = None
    crowd: Tensor = None  # type: ignore[assignment]
    areas: Tensor = None  # type: ignore[assignment]
    picture: int = 0

    def __post_init__(self) -> None:
        _boxes("Instances", self.boxes)
        count = len(self.boxes)
        if self.crowd is None:
            object.__setattr__(self, "crowd", torch.zeros(count, dtype=torch.bool, device=self.boxes.device))
        if self.areas is None:
            object.__setattr__(self, "areas", self._areas())
        _column("Instances", "classes", self.classes, count, torch.int64)
        _column("Instances", "crowd", self.crowd, count, torch.bool)
        _column("Instances", "areas", self.areas, count, torch.float32)
        _from_0("Instances", self.classes)
        _masks("Instances", self.masks, count, self.size)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, chosen: Tensor) -> Instances:
        """Those that `chosen` names: (n,) bool, or their indices in a new order."""
        return Instances(
            self.boxes[chosen],
            self.classes[chosen],
            self.size,
            _chosen(self.masks, chosen),
            self.crowd[chosen],
            self.areas[chosen],
            self.picture,
        )

    def to(self, device: torch.device | str) -> Instances:
        """The same on another device; `Rle` stay where they are. The copy does not wait where memory is pinned."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Instances:
        """The same in page-locked memory."""
        return self._with(lambda tensor: tensor.pin_memory())

    def _with(self, change) -> Instances:
        masks = change(self.masks) if isinstance(self.masks, Tensor) else self.masks
        tensors = {name: change(getattr(self, name)) for name in ("boxes", "classes", "crowd", "areas")}
        return _unchecked(self, masks=masks, **tensors)

    def _areas(self) -> Tensor:
        if isinstance(self.masks, Tensor) and self.masks.ndim == 3:
            return self.masks.flatten(1).sum(1).float()
        return areas_of(self.boxes)


@dataclass(frozen=True, eq=False)
class Detections:
    """What a model finds in one picture, the surest first, in the pixels of the picture as it came.

    boxes: (n, 4) float32, x1 <= x2, y1 <= y2.     scores: (n,) float32 in [0, 1], falling.
    classes: (n,) int64 from 0.     size: (H, W) of the original picture.
    masks: n `Rle` of that size, so that 1000 of them do not fill the memory; None from a model without masks.
    Raises: ValueError where shapes, types, values or the order are others. `Detections.of` puts them in order.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    size: tuple[int, int]
    masks: tuple[Rle, ...] | None = None

    def __post_init__(self) -> None:
        _boxes("Detections", self.boxes)
        count = len(self.boxes)
        _column("Detections", "scores", self.scores, count, torch.float32)
        _column("Detections", "classes", self.classes, count, torch.int64)
        _from_0("Detections", self.classes)
        if not ((self.scores >= 0) & (self.scores <= 1)).all():
            raise ValueError("Detections wants scores in [0, 1].")
        if (self.scores.diff() > 0).any():
            raise ValueError("Detections wants the surest first; Detections.of puts them in order.")
        if isinstance(self.masks, Tensor):
            raise ValueError("Detections wants masks as Rle; rle.encode packs (n, H, W).")
        _masks("Detections", self.masks, count, self.size)

    @classmethod
    def of(
        cls, boxes: Tensor, scores: Tensor, classes: Tensor, size: tuple[int, int], masks: Sequence[Rle] | None = None
    ) -> Detections:
        """The same in falling order of scores; equal scores keep their order."""
        order = scores.argsort(descending=True, stable=True)
        chosen = None if masks is None else tuple(masks[index] for index in order.tolist())
        return cls(boxes[order], scores[order], classes[order], size, chosen)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, chosen: Tensor) -> Detections:
        """Those that `chosen` names: (n,) bool, or indices that keep the order."""
        masks = _chosen(self.masks, chosen)
        return Detections(self.boxes[chosen], self.scores[chosen], self.classes[chosen], self.size, masks)  # type: ignore[arg-type]

    def to(self, device: torch.device | str) -> Detections:
        """The same on another device; `Rle` stay where they are."""
        tensors = {name: getattr(self, name).to(device) for name in ("boxes", "scores", "classes")}
        return _unchecked(self, **tensors)


def areas_of(boxes: Tensor) -> Tensor:
    """(n, 4) -> (n,), square pixels."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _unchecked(value, **changed):
    """A copy with some tensors elsewhere: what they say was checked before, and a look would wait for the copy."""
    again = object.__new__(type(value))
    for name in value.__dataclass_fields__:
        object.__setattr__(again, name, changed.get(name, getattr(value, name)))
    return again


def _chosen(masks: Masks | None, chosen: Tensor) -> Masks | None:
    if masks is None or isinstance(masks, Tensor):
        return None if masks is None else masks[chosen]
    indices = chosen.nonzero()[:, 0] if chosen.dtype == torch.bool else chosen
    return tuple(masks[index] for index in indices.tolist())


def _boxes(owner: str, boxes: Tensor) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or boxes.dtype != torch.float32:
        raise ValueError(f"{owner} wants boxes (n, 4) in float32; got {tuple(boxes.shape)} in {boxes.dtype}.")
    if not boxes.isfinite().all():
        raise ValueError(f"{owner} wants finite boxes.")
    if (boxes[:, :2] > boxes[:, 2:] + SLACK).any():
        raise ValueError(f"{owner} wants boxes as x1, y1, x2, y2 with x1 <= x2 and y1 <= y2.")


def _column(owner: str, name: str, column: Tensor, count: int, kind: torch.dtype) -> None:
    if column.shape != (count,) or column.dtype != kind:
        raise ValueError(f"{owner} wants {name} ({count},) in {kind}; got {tuple(column.shape)} in {column.dtype}.")


def _from_0(owner: str, classes: Tensor) -> None:
    if (classes < 0).any():
        raise ValueError(f"{owner} wants classes from 0 on; got {int(classes.min())}.")


def _masks(owner: str, masks: Masks | None, count: int, size: tuple[int, int]) -> None:
    if masks is None:
        return
    if isinstance(masks, Tensor):
        if masks.shape != (count, *size) or masks.dtype != torch.bool:
            raise ValueError(
                f"{owner} wants masks {(count, *size)} in torch.bool; got {tuple(masks.shape)} in {masks.dtype}."
            )
    elif len(masks) != count or any(tuple(mask.size) != tuple(size) for mask in masks):
        raise ValueError(f"{owner} wants {count} masks of size {tuple(size)}; got {[tuple(m.size) for m in masks]}.")
