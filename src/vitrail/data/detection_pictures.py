"""Pictures with boxes as they come, for those who resize, cut and mirror them themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from vitrail.data.detection_set import DetectionSample, DetectionSet
from vitrail.data.detections import Instances
from vitrail.data.loader import Batches, Draw


@dataclass(frozen=True, eq=False)
class PictureBatch:
    """B upright RGB pictures with what is in each, in its own pixels.

    names: For errors and captions.     skipped: Why pictures that belong here are missing, one line each.
    """

    images: tuple[Image.Image, ...]
    target: tuple[Instances, ...]
    names: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device | str) -> PictureBatch:
        """The same: pictures stay where they are."""
        return self

    def pin_memory(self) -> PictureBatch:
        """The same."""
        return self


class PictureBatches(Batches):
    """Draw -> PictureBatch, as `Batches`, for `Loader`."""

    fewest = 1

    def __init__(self, pictures: DetectionSet) -> None:
        super().__init__(pictures, _none, 0)  # type: ignore[arg-type]

    def change(self, sample: DetectionSample) -> tuple[Image.Image, Instances, str]:
        return sample.image, sample.target, sample.name

    def join(self, loaded: Sequence[Any], draw: Draw, skipped: tuple[str, ...]) -> PictureBatch:
        pictures, target, names = zip(*loaded, strict=True) if loaded else ((), (), ())
        return PictureBatch(pictures, target, names, skipped)


def _none(image: Any) -> Any:
    """No transform: `change` does all."""
    return image
