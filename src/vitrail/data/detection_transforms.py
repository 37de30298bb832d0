"""Changes of a picture together with its boxes and masks.   n boxes in a picture of H x W pixels.

Every random choice is torch's: call inside `randomness.seeded` and it depends on the numbers given there alone.
Boxes are continuous (a box covers [x1, x2]), so a mask's own box, resized or mirrored, stays around the mask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from vitrail.data import rle
from vitrail.data.detection_set import DetectionSample
from vitrail.data.detections import Instances
from vitrail.data.settings import CropBranch, DetectionAugment, LargeJitter, Sides
from vitrail.errors import InputError

SMALLEST = 1.0  # pixels that the sides of a box have at least; a sliver at the edge of a crop has less


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture and what is in it, in one frame, as torchvision's own kinds of tensor.

    image: (3, H, W) uint8 RGB.     boxes: (n, 4) xyxy.     masks: (n, H, W) bool or None.
    classes, crowd: (n,), as in `Instances`.
    """

    image: tv_tensors.Image
    boxes: tv_tensors.BoundingBoxes
    masks: tv_tensors.Mask | None
    classes: Tensor
    crowd: Tensor
    picture: int

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)"""
        return self.image.shape[-2], self.image.shape[-1]

    @classmethod
    def of(cls, image: Image.Image, target: Instances) -> Scene:
        boxes = tv_tensors.BoundingBoxes(target.boxes, format="XYXY", canvas_size=target.size)
        masks = None if target.masks is None else tv_tensors.Mask(rle.decode(target.masks, target.size))
        return cls(tv_tensors.Image(F.pil_to_tensor(image)), boxes, masks, target.classes, target.crowd, target.picture)

    def target(self) -> Instances:
        """Areas are those of this frame."""
        masks = None if self.masks is None else self.masks.as_subclass(Tensor)
        boxes = self.boxes.as_subclass(Tensor).float()
        return Instances(boxes, self.classes, self.size, masks, self.crowd, picture=self.picture)

    def map(self, change: Callable) -> Scene:
        """`change` of image, boxes and masks each: a functional of torchvision's v2."""
        masks = None if self.masks is None else change(self.masks)
        return replace(self, image=change(self.image), boxes=change(self.boxes), masks=masks)

    def kept(self) -> Scene:
        """With boxes cut at the edges of the picture; without those of which nothing is left, mask and all."""
        boxes = F.clamp_bounding_boxes(self.boxes)
        inside = ((boxes[:, 2:] - boxes[:, :2]) >= SMALLEST).all(1).as_subclass(Tensor)
        if self.masks is not None:
            inside &= self.masks.flatten(1).any(1).as_subclass(Tensor)
        return replace(self, boxes=boxes).chosen(inside)

    def chosen(self, which: Tensor) -> Scene:
        """The boxes that `which` (n,) names."""
        boxes = tv_tensors.wrap(self.boxes[which], like=self.boxes)
        masks = None if self.masks is None else tv_tensors.wrap(self.masks[which], like=self.masks)
        return replace(self, boxes=boxes, masks=masks, classes=self.classes[which], crowd=self.crowd[which])


def fitting(size: tuple[int, int], side: int, longest: int) -> tuple[int, int]:
    """(H, W) with the shorter side `side`, or less where the longer one would leave `longest`; the shape is kept.

    Rounded as the papers' toolbox does: half a pixel goes up.
    """
    scale = min(longest / max(size), side / min(size))
    return max(int(size[0] * scale + 0.5), 1), max(int(size[1] * scale + 0.5), 1)


def resize(scene: Scene, size: tuple[int, int]) -> Scene:
    """To (H, W): bilinear, smoothed where it shrinks; masks take the pixel whose middle is nearest.

    Differs: torchvision's own resize of masks takes the nearest corner, which moves them by up to half a pixel.
    """
    if size == scene.size:
        return scene
    rows, columns = ((torch.arange(new) + 0.5) * (old / new) for new, old in zip(size, scene.size, strict=True))

    def change(part: Tensor) -> Tensor:
        if isinstance(part, tv_tensors.Mask):
            return tv_tensors.Mask(part.as_subclass(Tensor)[:, rows.long()][:, :, columns.long()])
        return F.resize(part, list(size), antialias=True)

    return scene.map(change)


def resize_to(scene: Scene, sides: Sides) -> Scene:
    """To one of the shorter sides."""
    count = (sides.most - sides.least) // sides.step + 1
    return resize(scene, fitting(scene.size, sides.least + sides.step * _draw(count), sides.longest))


def crop(scene: Scene, top: int, left: int, height: int, width: int) -> Scene:
    """The part of a picture; see `Scene.kept`."""
    return scene.map(lambda part: F.crop(part, top, left, height, width)).kept()


def random_crop(scene: Scene, least: int, most: int) -> Scene:
    """A part whose sides are drawn from `least` to `most`, each no longer than the picture's, anywhere."""
    height, width = (min(side, least) + _draw(min(side, most) - min(side, least) + 1) for side in scene.size)
    top, left = _draw(scene.size[0] - height + 1), _draw(scene.size[1] - width + 1)
    return crop(scene, top, left, height, width)


def branch(scene: Scene, settings: CropBranch, sides: Sides) -> Scene:
    """Either the resize alone, or resize, crop and resize."""
    if _chance(settings.chance):
        scene = random_crop(resize_to(scene, settings.before), settings.least, settings.most)
    return resize_to(scene, sides)


def jitter(scene: Scene, settings: LargeJitter, fill: tuple[int, int, int]) -> Scene:
    """Resized by a share, cut where it is too large, filled at the right and below where it is too small."""
    share = settings.least + (settings.most - settings.least) * float(torch.rand(()))
    longest = max(round(share * settings.side), 1)
    scene = resize(scene, fitting(scene.size, longest, longest))
    height, width = (min(side, settings.side) for side in scene.size)
    top, left = _draw(scene.size[0] - height + 1), _draw(scene.size[1] - width + 1)
    return canvas(crop(scene, top, left, height, width), (settings.side, settings.side), fill)


def canvas(scene: Scene, size: tuple[int, int], fill: tuple[int, int, int]) -> Scene:
    """Cut or filled, at the right and below, to (H, W)."""
    if scene.size == size:
        return scene
    scene = crop(scene, 0, 0, min(scene.size[0], size[0]), min(scene.size[1], size[1]))
    beyond = [0, 0, size[1] - scene.size[1], size[0] - scene.size[0]]

    def pad(part: Tensor) -> Tensor:
        return F.pad(part, beyond, fill=list(map(float, fill)) if isinstance(part, tv_tensors.Image) else 0)

    return scene.map(pad)


def flip(scene: Scene) -> Scene:
    """The mirror image, left for right."""
    return scene.map(F.horizontal_flip)


def paste(scene: Scene, other: Scene, fill: tuple[int, int, int] = (124, 116, 104)) -> Scene:
    """Things of another picture laid over this one: each with even chance, crowds never.

    What they cover leaves the masks below; a thing that is covered whole is removed, the box of one that is covered in
    part becomes its mask's. Edges are not blended, which the paper found to make no difference.
    Source: Simple Copy-Paste (arXiv 2012.07177), section 3.
    Raises: InputError where one of them has no masks.
    """
    if scene.masks is None or other.masks is None:
        raise InputError("Copy-paste needs masks, and the data set has none for some of its boxes; set paste=0.")
    other = canvas(other, scene.size, fill)
    other = other.chosen((torch.rand(len(other.classes)) < 0.5) & ~other.crowd)
    if not len(other.classes):
        return scene
    above = other.masks.any(0).as_subclass(Tensor)  # type: ignore[union-attr]
    below = scene.masks.as_subclass(Tensor)
    left = below & ~above
    touched = (left != below).flatten(1).any(1)
    boxes = torch.where(touched[:, None], rle.boxes_of(left), scene.boxes.as_subclass(Tensor))
    image = torch.where(above, other.image.as_subclass(Tensor), scene.image.as_subclass(Tensor))
    whole = replace(
        scene,
        image=tv_tensors.Image(image),
        boxes=tv_tensors.wrap(torch.cat([boxes, other.boxes.as_subclass(Tensor)]), like=scene.boxes),
        masks=tv_tensors.Mask(torch.cat([left, other.masks.as_subclass(Tensor)])),  # type: ignore[union-attr]
        classes=torch.cat([scene.classes, other.classes]),
        crowd=torch.cat([scene.crowd, other.crowd]),
    )
    return whole.kept()


@dataclass(frozen=True)
class ForTraining:
    """A sample -> a scene with the random changes of `augment`, and of those what needs no second picture.

    fill: RGB of what is beyond a picture.
    """

    augment: DetectionAugment
    fill: tuple[int, int, int]

    def __call__(self, sample: DetectionSample) -> Scene:
        scene = Scene.of(sample.image, sample.target)
        if _chance(self.augment.flip):
            scene = flip(scene)
        if self.augment.jitter:
            return jitter(scene, self.augment.jitter, self.fill).kept()
        if self.augment.crop:
            return branch(scene, self.augment.crop, self.augment.resize).kept()
        return resize_to(scene, self.augment.resize).kept()


def _draw(count: int) -> int:
    """One of 0 to count - 1, with even chance."""
    return int(torch.randint(count, ()))


def _chance(chance: float) -> bool:
    return float(torch.rand(())) < chance
