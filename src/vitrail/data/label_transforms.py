"""Changes of a picture together with the classes of its pixels.   H x W pixels.

Every random choice is torch's: call inside `randomness.seeded` and it depends on the numbers given there alone.
Source of the order and the figures: the training pipelines of mmsegmentation, which the papers' releases use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from vitrail.data.detection_transforms import fitting
from vitrail.data.label_map import IGNORED, LabelSample
from vitrail.data.pixel_settings import Distortion, Fit, PixelAugment


@dataclass(frozen=True, eq=False)
class PixelScene:
    """A picture and its label map in one frame, as torchvision's own kinds of tensor.

    image: (3, H, W) uint8 RGB.     labels: (H, W) uint8, classes or IGNORED.
    """

    image: tv_tensors.Image
    labels: tv_tensors.Mask

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)"""
        return self.image.shape[-2], self.image.shape[-1]

    @classmethod
    def of(cls, sample: LabelSample) -> PixelScene:
        return cls(pixels(sample.image), tv_tensors.Mask(sample.labels.map))

    def map(self, change: Callable) -> PixelScene:
        """`change` of both: a functional of torchvision's v2."""
        return PixelScene(change(self.image), change(self.labels))


def pixels(image: Image.Image) -> tv_tensors.Image:
    """RGB picture -> (3, H, W) uint8."""
    return tv_tensors.Image(F.pil_to_tensor(image))


def fitted(size: tuple[int, int], fit: Fit | None, ratio: float = 1.0) -> tuple[int, int]:
    """(H, W) of a picture resized to `ratio` times the usual size, whole pixels of its two bounds."""
    if fit is None:
        return max(int(size[0] * ratio + 0.5), 1), max(int(size[1] * ratio + 0.5), 1)
    return fitting(size, max(int(fit.shortest * ratio), 1), max(int(fit.longest * ratio), 1))


def resize_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(3, h, w) -> (3, H, W): bilinear. Differs: smoothed where it shrinks, which mmsegmentation does not do."""
    return image if tuple(image.shape[-2:]) == size else F.resize(image, list(size), antialias=True)


def resize_labels(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """(h, w) -> (H, W): the pixel whose middle is nearest, as the picture's own resize counts.

    Differs: torchvision's and OpenCV's nearest takes the corner, up to half a pixel away.
    """
    if tuple(labels.shape) == size:
        return labels
    rows, columns = (
        ((torch.arange(new) + 0.5) * (old / new)).long() for new, old in zip(size, labels.shape, strict=True)
    )
    return labels.as_subclass(Tensor)[rows][:, columns]


def resize(scene: PixelScene, size: tuple[int, int]) -> PixelScene:
    """To (H, W)."""
    return PixelScene(
        tv_tensors.Image(resize_image(scene.image, size)), tv_tensors.Mask(resize_labels(scene.labels, size))
    )


def random_resize(scene: PixelScene, fit: Fit | None, ratio: tuple[float, float]) -> PixelScene:
    """To a share of the usual size, drawn evenly between two."""
    return resize(scene, fitted(scene.size, fit, _between(*ratio)))


def random_crop(scene: PixelScene, size: tuple[int, int], cap: float, tries: int) -> PixelScene:
    """A part of (H, W), or less where the picture is smaller, anywhere in it.

    Where one class has `cap` or more of the pixels that have one, or no two classes are there, another is drawn, up to
    `tries` times; the last is taken as it is.
    """
    height, width = (min(old, new) for old, new in zip(scene.size, size, strict=True))
    for left in range(tries if cap < 1 else 0, -1, -1):
        corner = _draw(scene.size[0] - height + 1), _draw(scene.size[1] - width + 1)
        if not left or mixed(F.crop(scene.labels, *corner, height, width), cap):
            break
    return scene.map(lambda part: F.crop(part, *corner, height, width))


def mixed(labels: Tensor, cap: float) -> bool:
    """Whether two classes are there or more, and none has `cap` or more of their pixels."""
    counts = torch.bincount(labels.as_subclass(Tensor).flatten().long(), minlength=256)
    counts[IGNORED] = 0
    return int((counts > 0).sum()) > 1 and int(counts.max()) < cap * int(counts.sum())


def flip(scene: PixelScene) -> PixelScene:
    """The mirror image, left for right."""
    return scene.map(F.horizontal_flip)


def distort(image: Tensor, settings: Distortion) -> Tensor:
    """(3, H, W) uint8 -> the same: brightness, contrast, saturation, hue; or contrast last, with even chance."""
    early = _chance(0.5)
    if _chance(0.5):
        image = scaled(image, 1.0, _between(-settings.brightness, settings.brightness))
    if early and _chance(0.5):
        image = scaled(image, _between(*settings.contrast))
    if _chance(0.5):
        image = saturate(image, _between(*settings.saturation))
    if _chance(0.5):
        image = F.adjust_hue(image, _between(-settings.hue, settings.hue) / 360)
    if not early and _chance(0.5):
        image = scaled(image, _between(*settings.contrast))
    return image


def scaled(image: Tensor, factor: float, more: float = 0.0) -> Tensor:
    """factor x + more in [0, 255], of uint8."""
    return (image.as_subclass(Tensor).float() * factor + more).round_().clamp_(0, 255).to(torch.uint8)


def saturate(image: Tensor, factor: float) -> Tensor:
    """(3, H, W) uint8 -> the same with HSV's saturation times `factor`, 1 at most; hue and value stay.

    With V the largest of the channels, each c becomes V + f (c - V), where f = min(factor, V / (V - smallest)).
    """
    values = image.as_subclass(Tensor).float()
    most, least = values.amax(0), values.amin(0)
    factors = (most / (most - least).clamp(min=1e-6)).clamp(max=factor)
    return (most + factors * (values - most)).round_().clamp_(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class ForTraining:
    """A sample -> a scene with the random changes of `augment`.

    fit: The usual size.
    """

    augment: PixelAugment
    fit: Fit | None

    def __call__(self, sample: LabelSample) -> PixelScene:
        scene = random_resize(PixelScene.of(sample), self.fit, self.augment.ratio)
        if self.augment.crop:
            scene = random_crop(scene, self.augment.crop, self.augment.cap, self.augment.tries)
        if _chance(self.augment.flip):
            scene = flip(scene)
        if self.augment.distortion:
            scene = replace(scene, image=tv_tensors.Image(distort(scene.image, self.augment.distortion)))
        return scene


def _draw(count: int) -> int:
    """One of 0 to count - 1, with even chance."""
    return int(torch.randint(count, ()))


def _chance(chance: float) -> bool:
    return float(torch.rand(())) < chance


def _between(least: float, most: float) -> float:
    return least + (most - least) * float(torch.rand(()))
