"""RandAugment as the papers' releases train with it: `rand-m9-mstd0.5-inc1`, on PIL pictures.

Source: RandAugment (arXiv 1909.13719) in timm's variant: harder with the magnitude throughout ("inc"), each change
made with a probability, its strength drawn anew. The tests hold every change against timm's, pixel by pixel.
Differs: what is drawn comes from torch's generator, as all randomness of this room.

A release that sets RandAugment makes no colour jitter beside it: timm leaves the jitter out, whatever number its
configuration holds. Here the two fields are independent, so such a recipe says `jitter=0`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from PIL import Image, ImageEnhance, ImageOps

from vitrail.data.settings import Preprocessing, RandAugment

HIGHEST = 10.0  # of the scale that magnitudes are given on


class Canvas(NamedTuple):
    """What a change that moves pixels needs: the colour of what comes into view, and how it interpolates."""

    fill: tuple[int, int, int]
    resample: Image.Resampling


# picture, amount in [-1, 1], canvas -> picture; the amount is magnitude / 10 with a random sign, which only the changes
# with two directions heed
Change = Callable[[Image.Image, float, Canvas], Image.Image]


def canvas(settings: Preprocessing) -> Canvas:
    """The mean colour, and the interpolation of the resize."""
    red, green, blue = (min(round(255 * value), 255) for value in settings.mean)
    return Canvas((red, green, blue), Image.Resampling[settings.interpolation.upper()])


def change(image: Image.Image, settings: RandAugment, canvas: Canvas) -> Image.Image:
    """The RGB picture after `settings.count` changes, drawn evenly and with repeats from `CHANGES`; the same size."""
    for name, amount in draw(settings):
        image = CHANGES[name](image, amount, canvas)
    return image


def draw(settings: RandAugment) -> list[tuple[str, float]]:
    """Names of the changes to make, in order, each with its amount; fewer than `count` where chance leaves some out."""
    uniform, normal = torch.rand(settings.count, 3).tolist(), torch.randn(settings.count).tolist()
    drawn = []
    for (which, whether, side), deviation in zip(uniform, normal, strict=True):
        if whether < settings.chance:
            magnitude = max(0.0, min(settings.magnitude + settings.spread * deviation, HIGHEST))
            drawn.append((NAMES[int(which * len(NAMES))], (magnitude if side < 0.5 else -magnitude) / HIGHEST))
    return drawn


def _auto_contrast(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    return ImageOps.autocontrast(image)


def _equalize(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    return ImageOps.equalize(image)


def _invert(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    return ImageOps.invert(image)


def _rotate(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    """By up to 30 degrees about the centre."""
    return image.rotate(amount * 30.0, canvas.resample, fillcolor=canvas.fill)


def _posterize(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    """4 to 0 bits of each channel are kept; none of them is black, which `ImageOps` refuses since Pillow 13."""
    kept = 256 - 2 ** (4 + int(abs(amount) * 4))
    return image.point([value & kept for value in range(256)] * 3)


def _solarize(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    """Values from a threshold of 256 down to 0 on are inverted."""
    return ImageOps.solarize(image, 256 - int(abs(amount) * 256))


def _solarize_add(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    """Up to 110 is added to values below 128."""
    more = int(abs(amount) * 110)
    table = [min(value + more, 255) if value < 128 else value for value in range(256)]
    return image.point(table * 3)


def _colour(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    return ImageEnhance.Color(image).enhance(_factor(amount))


def _contrast(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    return ImageEnhance.Contrast(image).enhance(_factor(amount))


def _brightness(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(_factor(amount))


def _sharpness(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    return ImageEnhance.Sharpness(image).enhance(_factor(amount))


def _factor(amount: float) -> float:
    """0.1 to 1.9; 1 leaves the picture as it is."""
    return max(0.1, 1.0 + amount * 0.9)


def _shear_x(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    """Each row is shifted by up to 0.3 of its distance from the top, which stays."""
    return _affine(image, (1, amount * 0.3, 0, 0, 1, 0), canvas)


def _shear_y(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    return _affine(image, (1, 0, 0, amount * 0.3, 1, 0), canvas)


def _translate_x(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    """By up to 0.45 of the width; a positive amount shows what lies further right."""
    return _affine(image, (1, 0, amount * 0.45 * image.width, 0, 1, 0), canvas)


def _translate_y(image: Image.Image, amount: float, canvas: Canvas) -> Image.Image:
    return _affine(image, (1, 0, 0, 0, 1, amount * 0.45 * image.height), canvas)


def _affine(image: Image.Image, matrix: tuple[float, ...], canvas: Canvas) -> Image.Image:
    """The matrix takes a pixel of the result to the place in the picture that it shows."""
    return image.transform(image.size, Image.Transform.AFFINE, matrix, canvas.resample, fillcolor=canvas.fill)


CHANGES: dict[str, Change] = {
    "auto_contrast": _auto_contrast,
    "equalize": _equalize,
    "invert": _invert,
    "rotate": _rotate,
    "posterize": _posterize,
    "solarize": _solarize,
    "solarize_add": _solarize_add,
    "colour": _colour,
    "contrast": _contrast,
    "brightness": _brightness,
    "sharpness": _sharpness,
    "shear_x": _shear_x,
    "shear_y": _shear_y,
    "translate_x": _translate_x,
    "translate_y": _translate_y,
}
NAMES = tuple(CHANGES)
