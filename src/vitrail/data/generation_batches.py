"""Batches of what a generator learns to make: pictures scaled to [-1, 1], or latents normalised by channel.

Letters: B batch, C channels, H x W a picture in pixels or the grid of a latent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from vitrail.data.generation_settings import GenerationPreprocessing
from vitrail.data.latents import LatentSample
from vitrail.data.loader import Batches, Draw
from vitrail.data.sample import Batch


@dataclass(frozen=True)
class FlowBatch(Batch):
    """images: (B, C, H, W), normalised; pictures or latents.     numbers: Each sample's place in its collection."""

    numbers: tuple[int, ...] = ()

    def to(self, device: torch.device | str) -> FlowBatch:
        images, target = (tensor.to(device, non_blocking=True) for tensor in (self.images, self.target))
        return replace(self, images=images, target=target)

    def pin_memory(self) -> FlowBatch:
        return replace(self, images=self.images.pin_memory(), target=self.target.pin_memory())


class FlowBatches(Batches):
    """Draw -> FlowBatch.

    Args:
        pictures: Labelled pictures, or `Latents`.     size: (H, W); latents come in it.
        flip: Probability that the mirror image stands for the picture.
    """

    fewest = 1

    def __init__(
        self,
        pictures: Any,
        size: tuple[int, int],
        settings: GenerationPreprocessing,
        flip: float,
        seed: int,
        replace: bool = False,
    ) -> None:
        super().__init__(pictures, Image.Image.copy, seed, replace=replace)  # type: ignore[arg-type]
        self.size, self.settings, self.flip = size, settings, flip

    def open(self, index: int, numbers: tuple[int, ...]) -> tuple[int, Any]:
        return index, self.pictures[index]

    def change(self, sample: tuple[int, Any]) -> tuple[Tensor, int, str, int]:
        number, one = sample
        flipped = bool(torch.rand(()) < self.flip)
        if isinstance(one, LatentSample):
            values = one.latents[int(flipped)]
        else:
            picture = F.pil_to_tensor(adm_crop(one.image, self.size)).float() / 255
            values = picture.flip(-1) if flipped else picture
        return normalised(values, self.settings), one.target, one.name, number

    def join(self, loaded: Sequence[Any], draw: Draw, skipped: tuple[str, ...]) -> FlowBatch:
        if not loaded:
            nothing = torch.empty(0, dtype=torch.int64)
            return FlowBatch(torch.empty(0, len(self.settings.mean), *self.size), nothing, (), skipped)
        tensors, targets, names, numbers = zip(*loaded, strict=True)
        return FlowBatch(torch.stack(tensors), torch.tensor(targets), names, skipped, numbers)


def normalised(values: Tensor, settings: GenerationPreprocessing) -> Tensor:
    """(..., C, H, W), (value - mean) / std · multiplier."""
    mean, std = _columns(settings, values)
    return (values - mean) / std * settings.multiplier


def restored(values: Tensor, settings: GenerationPreprocessing) -> Tensor:
    """The inverse of `normalised`."""
    mean, std = _columns(settings, values)
    return values * std / settings.multiplier + mean


def to_bytes(colours: Tensor) -> Tensor:
    """Colours (..., 3, H, W), those in [0, 1] to the nearest of 0 to 255, others to the ends: uint8 on the CPU.

    Source: LightningDiT's release, which cuts 127.5 x + 128 of x in [-1, 1] to a whole number.
    """
    return (colours.float() * 255 + 0.5).clamp(0, 255).byte().cpu()


def adm_crop(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The middle of a picture at `size`, (H, W): halved by a box filter while both sides stay large enough, then made
    as small as covers `size` by a bicubic one, then cut.

    Source: the data loader of ADM (arXiv 2105.05233), of squares; LightningDiT's and FlashDiT's latents are of it.
    """
    height, width = size
    image = image.convert("RGB")
    while image.width >= 2 * width and image.height >= 2 * height:
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    zoom = max(width / image.width, height / image.height)
    covering = (max(round(image.width * zoom), width), max(round(image.height * zoom), height))
    if covering != image.size:
        image = image.resize(covering, Image.Resampling.BICUBIC)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _columns(settings: GenerationPreprocessing, values: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = (torch.tensor(each, dtype=values.dtype, device=values.device) for each in (settings.mean, settings.std))
    return mean.view(-1, 1, 1), std.view(-1, 1, 1)
