"""A picture looked at once, or in several views whose answers become one; each as a whole, or in windows that slide.

K classes; a picture of H x W pixels is looked at resized to h x w.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from PIL import Image
from torch import Tensor

from vitrail.data.label_batches import frame, normalised
from vitrail.data.label_transforms import fitted, pixels, resize_image
from vitrail.data.pixel_settings import Fit, PixelPreprocessing
from vitrail.errors import InputError
from vitrail.models.segmenters import Segmenter
from vitrail.tasks.segment_bands import Seen, Window, class_map

Look = Callable[[Image.Image], Tensor]  # upright RGB -> the class of each of its own pixels, (H, W) uint8, on the CPU
VIEWS = ("one", "flip", "scales", "all")
RATIOS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)  # of the usual size; the papers' "multi-scale"


@dataclass(frozen=True)
class View:
    """fit: The usual size; None is the picture's own.     ratio: Share of it.     mirrored: Left for right."""

    fit: Fit | None
    ratio: float = 1.0
    mirrored: bool = False


@dataclass(frozen=True)
class Slide:
    """Windows of `side` pixels of the resized picture, one every `step`; the last ones end at its borders.

    Raises: InputError for windows that leave pixels out.
    """

    side: int
    step: int

    def __post_init__(self) -> None:
        if not 1 <= self.step <= self.side:
            raise InputError(
                f"slide={self.side},{self.step}: wanted windows of 1 pixel or more, and a step within one."
            )

    def places(self, size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
        """top, left, height and width of each window of a picture of `size` (h, w), none larger than the picture."""
        height, width = (min(self.side, length) for length in size)
        for top in self._starts(size[0]):
            for left in self._starts(size[1]):
                yield top, left, height, width

    def _starts(self, length: int) -> list[int]:
        last = max(length - self.side, 0)
        return [min(number * self.step, last) for number in range(-(-last // self.step) + 1)]


def views_of(name: str, usual: Fit | None, sides: Sequence[int] = ()) -> tuple[View, ...]:
    """The views that a name means.

    one: As in use.     flip: That, and its mirror image.     scales: 0.5, 0.75, 1, 1.25, 1.5 and 1.75 of the usual
    size.     all: Those, and their mirror images, which the papers call multi-scale.
    Args:
        sides: Shorter sides in the ratios' place, pixels; the longest one keeps its ratio to the shorter.
    Raises: InputError for another name, or a side below 1.
    """
    if name not in VIEWS:
        raise InputError(f"views {name!r} is none of {', '.join(VIEWS)}.")
    if any(side < 1 for side in sides):
        raise InputError(f"sides {', '.join(map(str, sides))}: wanted pixels, from 1 on.")
    ratios = RATIOS if name in ("scales", "all") else (1.0,)
    plain = [View(usual, ratio) for ratio in ratios]
    if sides:
        plain = [View(_at(usual, side)) for side in dict.fromkeys(sides)]
    return (*plain, *(replace(view, mirrored=True) for view in plain if name in ("flip", "all")))


def of_tiles(views: Sequence[View], side: int) -> tuple[View, ...]:
    """The same views of tiles of `side` pixels: smaller ones, at a picture's end, are resized by the same factor."""
    sides = [fitted((side, side), view.fit, view.ratio)[0] for view in views]
    return tuple(replace(view, fit=None, ratio=now / side) for view, now in zip(views, sides, strict=True))


def _at(usual: Fit | None, side: int) -> Fit:
    ratio = usual.longest / usual.shortest if usual else float(2**16)
    return Fit(max(round(side * ratio), 1), side)


def see(
    model: Segmenter, settings: PixelPreprocessing, view: View, image: Image.Image, slide: Slide | None = None
) -> Seen:
    """What the model, in the mode it is in, says of a picture of its own; its windows are looked at one by one."""
    size = fitted((image.height, image.width), view.fit, view.ratio)
    whole = normalised(resize_image(pixels(image), size), settings)
    whole = (whole.flip(2) if view.mirrored else whole).to(next(model.parameters()).device)
    places = [(0, 0, *size)] if slide is None else slide.places(size)
    windows = tuple(
        _window(model, settings, whole[:, top : top + height, left : left + width], top, left)
        for top, left, height, width in places
    )
    return Seen(windows, size, view.mirrored)


def _window(model: Segmenter, settings: PixelPreprocessing, part: Tensor, top: int, left: int) -> Window:
    size = (part.shape[1], part.shape[2])
    around = frame([size], settings.multiple)
    image = part.new_zeros(1, 3, *around)
    image[0, :, : size[0], : size[1]] = part
    with torch.no_grad():
        return Window(model(image)[0], around, size, top, left)


def looking(model: Segmenter, settings: PixelPreprocessing, views: Sequence[View], slide: Slide | None = None) -> Look:
    """All the views as one look: of several, the probabilities are averaged."""

    def look(image: Image.Image) -> Tensor:
        seen = [see(model, settings, view, image, slide) for view in views]
        return class_map(seen, (image.height, image.width)).cpu()

    return look
