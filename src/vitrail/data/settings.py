"""How a picture becomes a tensor, in plain values: a recipe holds them, a weights file carries them. No torch here."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True, config=STRICT)
class Preprocessing:
    """What training and use share.

    share: Part of the resized picture's shorter side that the centre crop keeps, as 224 of 256; None resizes straight
        to the model's size, whatever the shape.
    mean, std: Of the channels, for values in [0, 1]; the defaults are ImageNet's.
    """

    share: float | None = 0.875
    interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


@dataclass(frozen=True, config=STRICT)
class Augment:
    """What only training does, in this order; zero or None leaves a step out.

    crop: Smallest and largest share of the area a random resized crop takes; None: as in use.
    rotate: Largest angle either way, degrees.      shift: Largest shift either way, share of the side.
    scale: Smallest and largest zoom.               flip: Probability of a mirror image.
    jitter: Strength of the change of brightness, contrast and saturation.
    erase: Probability that a rectangle is replaced by noise.
    mixup, cutmix: Beta parameters of the two ways to mix a batch; with both, each batch draws one of them.
    """

    crop: tuple[float, float] | None = None
    rotate: float = 0.0
    shift: float = 0.0
    scale: tuple[float, float] | None = None
    flip: float = 0.0
    jitter: float = 0.0
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
