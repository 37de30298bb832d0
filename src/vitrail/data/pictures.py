"""Pictures as they come, with their truth, for those who resize, cut and mirror them themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from vitrail.data.loader import Batches, Draw


@dataclass(frozen=True, eq=False)
class PictureBatch:
    """B upright RGB pictures, and what is true of each, in its own pixels.

    names: For errors and captions.     skipped: Why pictures that belong here are missing, one line each.
    """

    images: tuple[Image.Image, ...]
    target: tuple[Any, ...]
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
    """Draw -> PictureBatch, as `Batches`, for `Loader`.

    Args:
        pictures: Samples with an `image` and a `name`.     truth: A sample -> what is true of it.
    """

    fewest = 1

    def __init__(self, pictures: Any, truth: Callable[[Any], Any]) -> None:
        super().__init__(pictures, truth, 0)

    def change(self, sample: Any) -> tuple[Image.Image, Any, str]:
        return sample.image, self.transform(sample), sample.name

    def join(self, loaded: Sequence[Any], draw: Draw, skipped: tuple[str, ...]) -> PictureBatch:
        images, target, names = zip(*loaded, strict=True) if loaded else ((), (), ())
        return PictureBatch(images, target, names, skipped)
