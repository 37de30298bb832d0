"""Batches for segmenters.   B pictures of a batch, h x w pixels of a picture in a batch of H x W."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from vitrail.data.label_map import IGNORED, LabelSample
from vitrail.data.label_set import LabelSet
from vitrail.data.label_transforms import ForTraining, fitted, pixels, resize_image
from vitrail.data.loader import Batches, Draw
from vitrail.data.pixel_settings import PixelAugment, PixelPreprocessing

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class PixelBatch:
    """What a segmenter's task receives.

    images: (B, 3, H, W) float32, normalised; each picture at the top left, zeros beyond it.
    target: In training (B, H, W) int64, the class of each pixel of `images`, or IGNORED, as all beyond a picture are.
        In use B maps (height, width) uint8 of the pictures as they came.
    sizes: (h, w) of each picture in `images`.     originals: (height, width) of each picture as it came, upright.
    names: For errors and captions.     skipped: Why pictures that belong here are missing, one line each.
    """

    images: Tensor
    target: Tensor | tuple[Tensor, ...]
    sizes: tuple[Size, ...]
    originals: tuple[Size, ...]
    names: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device | str) -> PixelBatch:
        """The same batch on another device; the copy does not wait where the memory is pinned."""
        return self._with(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> PixelBatch:
        """The same batch in page-locked memory; the loader calls it where an accelerator follows."""
        return self._with(lambda tensor: tensor.pin_memory())

    def _with(self, change) -> PixelBatch:
        target = change(self.target) if isinstance(self.target, Tensor) else tuple(map(change, self.target))
        return PixelBatch(change(self.images), target, self.sizes, self.originals, self.names, self.skipped)


class PixelBatches(Batches):
    """Draw -> PixelBatch, as `Batches`, for `Loader`.

    Args:
        augment: The random changes of training; None: as in use.
    """

    def __init__(
        self,
        pictures: LabelSet,
        settings: PixelPreprocessing,
        augment: PixelAugment | None,
        seed: int,
        replace: bool = False,
    ) -> None:
        super().__init__(pictures, _none, seed, replace=replace)  # type: ignore[arg-type]
        self.settings, self.augment = settings, augment
        self.training = ForTraining(augment, settings.resize) if augment else None

    def change(self, sample: LabelSample) -> tuple[Tensor, Tensor, Size, str]:
        original = sample.labels.size
        if self.training is None:
            image = resize_image(pixels(sample.image), fitted(original, self.settings.resize))
            return image.as_subclass(Tensor), sample.labels.map, original, sample.name
        scene = self.training(sample)
        return scene.image.as_subclass(Tensor), scene.labels.as_subclass(Tensor), original, sample.name

    def join(self, loaded: Sequence[Any], draw: Draw, skipped: tuple[str, ...]) -> PixelBatch:
        crop = self.augment.crop if self.augment else None
        if not loaded:
            side = self.settings.multiple
            nothing = () if self.augment is None else torch.empty(0, side, side, dtype=torch.int64)
            return PixelBatch(torch.empty(0, 3, side, side), nothing, (), (), (), skipped)
        pictures, maps, originals, names = zip(*loaded, strict=True)
        size = crop or frame([picture.shape[1:] for picture in pictures], self.settings.multiple)
        images = torch.zeros(len(pictures), 3, *size)
        for place, picture in zip(images, pictures, strict=True):
            place[:, : picture.shape[1], : picture.shape[2]] = normalised(picture, self.settings)
        target: Tensor | tuple[Tensor, ...] = maps
        if self.augment is not None:
            target = torch.full((len(maps), *size), IGNORED, dtype=torch.int64)
            for place, labels in zip(target, maps, strict=True):
                place[: labels.shape[0], : labels.shape[1]] = labels
        sizes = tuple((picture.shape[1], picture.shape[2]) for picture in pictures)
        return PixelBatch(images, target, sizes, originals, names, skipped)


def frame(sizes: Sequence[Sequence[int]], multiple: int) -> Size:
    """(H, W) that holds pictures of these sizes, each side a multiple of `multiple`."""
    height, width = (-(-max(side) // multiple) * multiple for side in zip(*sizes, strict=True))
    return height, width


def normalised(image: Tensor, settings: PixelPreprocessing) -> Tensor:
    """(3, h, w) uint8 -> float32, less the mean and in units of the deviation."""
    values = F.to_dtype(image.as_subclass(Tensor), torch.float32, scale=True)
    return F.normalize(values, list(settings.mean), list(settings.std), inplace=True)


def _none(image: Any) -> Any:
    """No transform: `change` does all."""
    return image
