"""Batches for detectors: pictures of several sizes in one tensor, each with what is in it.

B pictures of a batch, n boxes in a picture, h x w pixels of a picture in a batch of H x W.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from vitrail.data.detection_set import DetectionSample, DetectionSet
from vitrail.data.detection_transforms import ForTraining, Scene, paste, resize_to
from vitrail.data.detections import Instances
from vitrail.data.loader import Batches, Draw
from vitrail.data.settings import DetectionAugment, DetectionPreprocessing
from vitrail.errors import InputError


@dataclass(frozen=True, eq=False)
class DetectionBatch:
    """What a detector's task receives.

    images: (B, 3, H, W) float32, normalised; each picture at the top left, zeros beyond it.
    target: B `Instances`. In training they count the pixels of `images`, masks dense; in use those of the original
        picture, masks packed, as `Detections` do.
    sizes: (h, w) of each picture in `images`.     originals: (height, width) of each picture as it came, upright.
    names: For errors and captions.     skipped: Why pictures that belong here are missing, one line each.
    """

    images: Tensor
    target: tuple[Instances, ...]
    sizes: tuple[tuple[int, int], ...]
    originals: tuple[tuple[int, int], ...]
    names: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def to(self, device: torch.device | str) -> DetectionBatch:
        """The same batch on another device; the copy does not wait where the memory is pinned."""
        images = self.images.to(device, non_blocking=True)
        return self._with(images, tuple(truth.to(device) for truth in self.target))

    def pin_memory(self) -> DetectionBatch:
        """The same batch in page-locked memory; the loader calls it where an accelerator follows."""
        return self._with(self.images.pin_memory(), tuple(truth.pin_memory() for truth in self.target))

    def _with(self, images: Tensor, target: tuple[Instances, ...]) -> DetectionBatch:
        return DetectionBatch(images, target, self.sizes, self.originals, self.names, self.skipped)


class DetectionBatches(Batches):
    """Draw -> DetectionBatch, as `Batches`, for `Loader`; one class is enough.

    Args:
        augment: The random changes of training; None: as in use.
    Raises: InputError for copy-paste without masks.
    """

    fewest = 1

    def __init__(
        self,
        pictures: DetectionSet,
        settings: DetectionPreprocessing,
        augment: DetectionAugment | None,
        seed: int,
        replace: bool = False,
    ) -> None:
        super().__init__(pictures, _none, seed, replace=replace)  # type: ignore[arg-type]
        if augment and augment.paste and not pictures.masks:
            raise InputError("Copy-paste needs masks, and the data set has none for some of its boxes; set paste=0.")
        self.settings, self.augment = settings, augment
        self.training = ForTraining(augment, fill(settings)) if augment else None

    def change(self, sample: DetectionSample) -> tuple[Tensor, Instances, tuple[int, int], str]:
        original = (sample.image.height, sample.image.width)
        if self.training is None:
            scene = resize_to(Scene.of(sample.image, _nothing(original)), self.settings.resize)
            return scene.image, sample.target, original, sample.name
        scene = self._pasted(self.training(sample))
        return scene.image, scene.target(), original, sample.name

    def _pasted(self, scene: Scene) -> Scene:
        """With things of another picture, changed in its own way; itself where that one cannot be read."""
        assert self.augment and self.training
        if not self.augment.paste or float(torch.rand(())) >= self.augment.paste:
            return scene
        try:
            other = self.pictures[int(torch.randint(len(self.pictures), ()))]
        except InputError:
            return scene
        return paste(scene, self.training(other), self.training.fill)  # type: ignore[arg-type]

    def join(self, loaded: Sequence[Any], draw: Draw, skipped: tuple[str, ...]) -> DetectionBatch:
        if not loaded:
            side = self.settings.multiple
            return DetectionBatch(torch.empty(0, 3, side, side), (), (), (), (), skipped)
        pictures, target, originals, names = zip(*loaded, strict=True)
        return DetectionBatch(
            together(pictures, self.settings),
            target,
            tuple((picture.shape[1], picture.shape[2]) for picture in pictures),
            originals,
            names,
            skipped,
        )


def together(pictures: Sequence[Tensor], settings: DetectionPreprocessing) -> Tensor:
    """B pictures (3, h, w) uint8 -> (B, 3, H, W) normalised; zeros beyond, up to a multiple of `settings.multiple`."""
    sides = (max(picture.shape[axis] for picture in pictures) for axis in (1, 2))
    height, width = (-(-side // settings.multiple) * settings.multiple for side in sides)
    images = torch.zeros(len(pictures), 3, height, width)
    for place, picture in zip(images, pictures, strict=True):
        values = F.to_dtype(picture.as_subclass(Tensor), torch.float32, scale=True)
        place[:, : picture.shape[1], : picture.shape[2]] = F.normalize(
            values, list(settings.mean), list(settings.std), inplace=True
        )
    return images


def fill(settings: DetectionPreprocessing) -> tuple[int, int, int]:
    """The mean colour, which is near zero once normalised."""
    red, green, blue = (round(255 * value) for value in settings.mean)
    return red, green, blue


def _nothing(size: tuple[int, int]) -> Instances:
    return Instances(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), size)


def _none(image: Any) -> Any:
    """No transform: `change` does all."""
    return image
