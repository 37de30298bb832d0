"""From a picture to a normalised tensor, for use and for training, and the mixing of batches.

Every random choice is torch's: call inside `randomness.seeded` and it depends on the numbers given there alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from vitrail.data import rand_augment
from vitrail.data.settings import Augment, Preprocessing

Transform = Callable[[Image.Image], Tensor]
Mixing = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def for_use(size: tuple[int, int], settings: Preprocessing) -> Transform:
    """RGB picture -> (3, H, W): resized, centre-cropped, normalised. `size` is (H, W) in pixels."""
    return v2.Compose([_fit(size, settings), _normalise(settings)])


def for_training(size: tuple[int, int], settings: Preprocessing, augment: Augment) -> Transform:
    """RGB picture -> (3, H, W) with the random changes of `augment`; without any, the same as `for_use`."""
    mode = v2.InterpolationMode(settings.interpolation)
    steps: list[Callable] = [_fit(size, settings)]
    if augment.crop:
        steps = [v2.RandomResizedCrop(size, scale=augment.crop, interpolation=mode, antialias=True)]
    if augment.rotate or augment.shift or augment.scale:
        shift = (augment.shift, augment.shift) if augment.shift else None
        steps.append(v2.RandomAffine(augment.rotate, shift, augment.scale, interpolation=v2.InterpolationMode.BILINEAR))
    if augment.flip:
        steps.append(v2.RandomHorizontalFlip(augment.flip))
    if augment.jitter:
        steps.append(v2.ColorJitter(augment.jitter, augment.jitter, augment.jitter))
    if augment.rand:
        steps.append(partial(rand_augment.change, settings=augment.rand, canvas=rand_augment.canvas(settings)))
    steps.append(_normalise(settings))
    if augment.erase:
        steps.append(v2.RandomErasing(augment.erase, scale=(0.02, 1 / 3), value="random", inplace=True))
    return v2.Compose(steps)


def mixing(augment: Augment, classes: int) -> Mixing | None:
    """(B, 3, H, W), (B,) -> the same number of mixed pictures, and (B, classes) shares; None where nothing is mixed."""
    ways: list[Callable] = []
    if augment.mixup:
        ways.append(v2.MixUp(alpha=augment.mixup, num_classes=classes))
    if augment.cutmix:
        ways.append(v2.CutMix(alpha=augment.cutmix, num_classes=classes))
    return v2.RandomChoice(ways) if ways else None


def _fit(size: tuple[int, int], settings: Preprocessing) -> Callable[[Image.Image], Image.Image]:
    return partial(_resize, size=size, share=settings.share, mode=v2.InterpolationMode(settings.interpolation))


def _resize(image: Image.Image, size: tuple[int, int], share: float | None, mode: v2.InterpolationMode) -> Image.Image:
    if share is None:
        return F.resize(image, list(size), mode, antialias=True)
    old = (image.height, image.width)
    zoom = max(int(new / share) / side for new, side in zip(size, old, strict=True))
    return F.center_crop(F.resize(image, [round(side * zoom) for side in old], mode, antialias=True), list(size))


def _normalise(settings: Preprocessing) -> Transform:
    return partial(_tensor, mean=_column(settings.mean), std=_column(settings.std))


def _column(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(-1, 1, 1)


def _tensor(image: Image.Image, mean: Tensor, std: Tensor) -> Tensor:
    """RGB picture -> (3, H, W), contiguous; torchvision's to_dtype and normalize bit for bit, in a third of their time.

    Pillow hands each row out with its channels one after the other, so every later step reads memory in order.
    """
    rows = torch.frombuffer(bytearray(image.tobytes("raw", "RGB;L")), dtype=torch.uint8)
    planes = rows.view(image.height, 3, image.width).transpose(0, 1)
    return planes.to(torch.float32, memory_format=torch.contiguous_format).mul_(1 / 255).sub_(mean).div_(std)
