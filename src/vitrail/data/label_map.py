"""The currency of semantic segmentation: which class each pixel of a picture has.   K classes, H x W pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

IGNORED = 255  # of a pixel that has no class: nothing is learnt from it and nothing measured
MOST = 255  # classes that fit beside IGNORED into 8 bits


@dataclass(frozen=True, eq=False)
class Labels:
    """The truth of one picture.

    map: (H, W) uint8, the class of each pixel from 0, or IGNORED.     classes: K.
    Raises: ValueError where shape, type or values are others.
    """

    map: Tensor
    classes: int

    def __post_init__(self) -> None:
        if self.map.ndim != 2 or self.map.dtype != torch.uint8:
            raise ValueError(f"Labels wants (H, W) in torch.uint8; got {tuple(self.map.shape)} in {self.map.dtype}.")
        if not 0 < self.classes <= MOST:
            raise ValueError(f"Labels wants 1 to {MOST} classes; got {self.classes}.")
        wrong = (self.map >= self.classes) & (self.map != IGNORED)
        if wrong.any():
            first = int(self.map[wrong][0])
            raise ValueError(f"Labels wants 0 to {self.classes - 1}, or {IGNORED} for no class; got {first}.")

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)"""
        return self.map.shape[0], self.map.shape[1]

    def areas(self) -> Tensor:
        """(K,) int64, the pixels of each class."""
        return areas(self.map, self.classes)


@dataclass(frozen=True)
class LabelSample:
    """One picture before any transform, upright RGB, with its truth and the name an error would call it."""

    image: Image.Image
    labels: Labels
    name: str


def areas(labels: Tensor, classes: int) -> Tensor:
    """(H, W) of any whole numbers -> (K,) int64, the pixels of each class; others, as IGNORED, count nowhere."""
    inside = labels[(labels >= 0) & (labels < classes)]
    return inside.flatten().long().bincount(minlength=classes)
