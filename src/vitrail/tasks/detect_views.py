"""A picture looked at once, or in several views whose answers become one.   n boxes in a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from PIL import Image, ImageOps
from torch import Tensor

from vitrail.data import rle_moves
from vitrail.data.detection_batches import together
from vitrail.data.detection_transforms import Scene, fitting, resize
from vitrail.data.detections import Detections, Instances, Rle
from vitrail.data.settings import DetectionPreprocessing, Sides
from vitrail.errors import InputError
from vitrail.models.detectors import Detector

Look = Callable[[Image.Image], Detections]  # upright RGB -> what is in it, in its own pixels, on the CPU
VIEWS = ("one", "flip", "scales", "all")
SCALES = (0.75, 1.0, 1.25)  # of the side in use


@dataclass(frozen=True)
class View:
    """resize: The shorter side, and the longest.     mirrored: Left for right."""

    resize: Sides
    mirrored: bool = False


def views_of(name: str, usual: Sides, sides: Sequence[int] = ()) -> tuple[View, ...]:
    """The views that a name means.

    one: As in use.     flip: That, and its mirror image.     scales: Shorter sides of 0.75, 1 and 1.25 of the usual
    one, the longest likewise.     all: Those, and their mirror images.
    Args:
        sides: Shorter sides in their place, pixels; the longest one keeps its ratio to the shorter.
    Raises: InputError for another name, or a side below 1.
    """
    if name not in VIEWS:
        raise InputError(f"views {name!r} is none of {', '.join(VIEWS)}.")
    if any(side < 1 for side in sides):
        raise InputError(f"sides {', '.join(map(str, sides))}: wanted pixels, from 1 on.")
    scaled = [max(round(usual.least * scale), 1) for scale in SCALES] if name in ("scales", "all") else [usual.least]
    plain = tuple(View(_at(usual, side)) for side in dict.fromkeys(sides or scaled))
    return plain + tuple(replace(view, mirrored=True) for view in plain) if name in ("flip", "all") else plain


def _at(usual: Sides, side: int) -> Sides:
    return Sides(side, side, 1, max(round(usual.longest * side / usual.least), 1))


def look_at(model: Detector, settings: DetectionPreprocessing, view: View, image: Image.Image) -> Detections:
    """What the model, in the mode it is in, finds in a picture of its own."""
    size = (image.height, image.width)
    shown = ImageOps.mirror(image) if view.mirrored else image
    nothing = Instances(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), size)
    scene = resize(Scene.of(shown, nothing), fitting(size, view.resize.least, view.resize.longest))
    images = together([scene.image], settings).to(next(model.parameters()).device)
    return model.predict(images, [scene.size], [size])[0].to("cpu")


def looking(model: Detector, settings: DetectionPreprocessing, views: Sequence[View]) -> Look:
    """All the views as one look; a single one that is not mirrored is the plain prediction."""
    each = [partial(look_at, model, settings, view) for view in views]
    if len(views) == 1 and not views[0].mirrored:
        return each[0]

    def look(image: Image.Image) -> Detections:
        return merged([(view.mirrored, one(image)) for view, one in zip(views, each, strict=True)], *kept(model))

    return look


def kept(model: Detector) -> tuple[float, int]:
    """The overlap that two of a class may have in the model's answers, and how many of a picture it gives."""
    return model.spec.overlap, model.spec.keep


def merged(answers: Sequence[tuple[bool, Detections]], overlap: float, keep: int) -> Detections:
    """The answers of several views as one: of those of a class that overlap the surest stays, with its own score.

    Masks are those of the boxes that stay, not means over views.
    Args:
        answers: Whether each is of the mirror image, and what was found in it; all of one size.
        overlap: The intersection over union that two of a class may have at most.     keep: How many of all.
    """
    from torchvision.ops import batched_nms

    size = answers[0][1].size
    boxes = torch.cat([mirrored_boxes(one.boxes, size[1]) if turned else one.boxes for turned, one in answers])
    scores, classes = (torch.cat([getattr(one, name) for _, one in answers]) for name in ("scores", "classes"))
    order = batched_nms(boxes, scores, classes, overlap)[:keep]
    masks = None
    if all(one.masks is not None for _, one in answers):
        every: list[tuple[bool, Rle]] = [(turned, mask) for turned, one in answers for mask in one.masks or ()]
        masks = [rle_moves.mirrored(every[at][1]) if every[at][0] else every[at][1] for at in order.tolist()]
    return Detections.of(boxes[order], scores[order], classes[order], size, masks)


def mirrored_boxes(boxes: Tensor, width: int) -> Tensor:
    """(n, 4) of a picture so wide -> of its mirror image."""
    left, top, right, bottom = boxes.unbind(1)
    return torch.stack([width - right, top, width - left, bottom], 1)
