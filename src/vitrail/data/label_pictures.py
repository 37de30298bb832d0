"""Pictures with label maps as they come, for those who resize, cut and mirror them themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from vitrail.data.label_map import LabelSample
from vitrail.data.label_set import LabelSet
from vitrail.data.loader import Batches, Draw


@dataclass(frozen=True, eq=False)
class LabelPictures:
    """B upright RGB pictures with the class of each pixel, (H, W) uint8 or IGNORED.

    names: For errors and captions.     skipped: Why pictures that belong here are missing, one line each.
    """

    images: tuple[Image.Image, ...]
    target: tuple[Tensor, ...]
    names: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device | str) -> LabelPictures:
        """The same: pictures stay where they are."""
        return self

    def pin_memory(self) -> LabelPictures:
        """The same."""
        return self


class LabelPictureBatches(Batches):
    """Draw -> LabelPictures, as `Batches`, for `Loader`."""

    def __init__(self, pictures: LabelSet) -> None:
        super().__init__(pictures, _none, 0)  # type: ignore[arg-type]

    def change(self, sample: LabelSample) -> tuple[Image.Image, Tensor, str]:
        return sample.image, sample.labels.map, sample.name

    def join(self, loaded: Sequence[Any], draw: Draw, skipped: tuple[str, ...]) -> LabelPictures:
        pictures, target, names = zip(*loaded, strict=True) if loaded else ((), (), ())
        return LabelPictures(pictures, target, names, skipped)


def _none(image: Any) -> Any:
    """No transform: `change` does all."""
    return image
