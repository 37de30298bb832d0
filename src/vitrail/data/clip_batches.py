"""Batches of clips.   B videos of a batch, V views of each, T frames of H x W."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors

from vitrail.data import transforms
from vitrail.data.clip_set import Clips, ClipSample
from vitrail.data.clip_settings import ClipAugment, ClipPreprocessing, ClipViews
from vitrail.data.clip_transforms import erasing, for_training, for_use, normalise
from vitrail.data.loader import Batches, Draw
from vitrail.data.randomness import seeded
from vitrail.data.settings import Augment


@dataclass(frozen=True, eq=False)
class ClipBatch:
    """What a video task receives.

    images: (B, 3, T, H, W) float32, normalised; with several views of each video (B, V, 3, T, H, W) uint8, which
        `views` normalises one after another: a quarter of the memory, and one view at a time beside it.
    target: (B,) int64 class indices; or (B, K) shares of the classes, adding to 1, after mixing.
    settings: Of the normalisation.     names: B names, for errors and captions.
    skipped: Why videos that belong here are missing, one line each.
    """

    images: Tensor
    target: Tensor
    settings: ClipPreprocessing
    names: tuple[str, ...]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def views(self) -> Iterator[Tensor]:
        """Each view of all videos in turn, (B, 3, T, H, W) float32, normalised; one where there are no several."""
        if self.images.ndim == 5:
            yield self.images
            return
        for view in self.images.unbind(1):
            yield normalise(view, self.settings)

    def to(self, device: torch.device | str) -> ClipBatch:
        """The same batch on another device; the copy does not wait where the memory is pinned."""
        images, target = (tensor.to(device, non_blocking=True) for tensor in (self.images, self.target))
        return ClipBatch(images, target, self.settings, self.names, self.skipped)

    def pin_memory(self) -> ClipBatch:
        """The same batch in page-locked memory; the loader calls it where an accelerator follows."""
        return ClipBatch(self.images.pin_memory(), self.target.pin_memory(), self.settings, self.names, self.skipped)


class ClipBatches(Batches):
    """Draw -> ClipBatch, as `Batches`, for `Loader`.

    Args:
        size: (H, W) in pixels.
        augment: The random changes of training; None: as in use.
        views: In use, of each video.
    """

    noun, rate = "videos", "clips/s"

    def __init__(
        self,
        clips: Clips,
        size: tuple[int, int],
        settings: ClipPreprocessing,
        augment: ClipAugment | None,
        seed: int,
        replace: bool = False,
        views: ClipViews = ClipViews(),  # noqa: B008  # frozen
    ) -> None:
        mixing = augment and Augment(mixup=augment.mixup, cutmix=augment.cutmix)
        super().__init__(
            clips,  # type: ignore[arg-type]
            for_training(size, settings, augment) if augment else for_use(size, settings, views),  # type: ignore[arg-type]
            seed,
            transforms.mixing(mixing, len(clips.classes)) if mixing else None,
            replace,
        )
        self.size, self.settings, self.erase = size, settings, erasing(augment) if augment else None
        self.several = augment is None and views.count > 1

    def open(self, index: int, numbers: tuple[int, ...]) -> tuple[Tensor, int, str]:
        """The clip as it goes into a batch: which frames are read is a random choice, too, and any may be damaged."""
        sample: ClipSample = self.pictures[index]  # type: ignore[assignment]
        with seeded(*numbers):
            images = self.transform(sample.video)  # type: ignore[arg-type]
            if self.erase:
                images = self.erase(normalise(images, self.settings))
        return images, sample.target, sample.name

    def change(self, sample: tuple[Tensor, int, str]) -> tuple[Tensor, int, str]:
        return sample

    def join(self, loaded: Sequence[Any], draw: Draw, skipped: tuple[str, ...]) -> ClipBatch:
        if not loaded:
            nothing = torch.empty(0, 3, self.settings.sampling.length, *self.size)
            return ClipBatch(nothing, torch.empty(0, dtype=torch.int64), self.settings, (), skipped)
        tensors, targets, names = zip(*loaded, strict=True)
        images, target = self._together(tensors), torch.tensor(targets)
        if self.mixing:
            with seeded(self.seed, draw.epoch, *draw.indices):
                images, target = self.mixing(tv_tensors.Video(images), target)
            images = images.as_subclass(Tensor)
        return ClipBatch(images, target, self.settings, names, skipped)

    def _together(self, clips: Sequence[Tensor]) -> Tensor:
        """Stacked and, but for several views, normalised as they are written: the numbers are moved once."""
        if self.several:
            return torch.stack(list(clips))
        images = torch.empty(len(clips), 3, *clips[0].shape[-3:])
        for place, clip in zip(images, clips, strict=True):
            if clip.dtype == torch.uint8:
                normalise(clip.view(place.shape), self.settings, place)
            else:
                place.copy_(clip)
        return images
