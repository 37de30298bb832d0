"""How a picture becomes a tensor where every pixel has a class, in plain values. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat
from pydantic.dataclasses import dataclass

from vitrail.data.settings import STRICT, Part, _rising

Count = Annotated[int, Field(ge=1)]
Range = Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_rising)]


@dataclass(frozen=True, config=STRICT)
class Fit:
    """A resize that keeps the shape: the shorter side becomes `shortest`, or less where the longer would leave
    `longest`; pixels."""

    longest: Count = 2048
    shortest: Count = 512


@dataclass(frozen=True, config=STRICT)
class Distortion:
    """Changes of brightness, contrast, saturation and hue, each made with even chance, its strength drawn evenly.

    brightness: Most that is added to or taken from each channel, of 255.     contrast: Factors of all channels.
    saturation: Factors of the saturation as HSV has it.     hue: Most that it turns either way, degrees.
    Source: SSD (arXiv 1512.02325), with mmsegmentation's figures. Its hue of 18 is of OpenCV's 180 to the circle, which
    makes 36 degrees.
    """

    brightness: Annotated[float, Field(ge=0, le=255)] = 32.0
    contrast: Range = (0.5, 1.5)
    saturation: Range = (0.5, 1.5)
    hue: Annotated[float, Field(ge=0, le=180)] = 36.0


@dataclass(frozen=True, config=STRICT)
class PixelAugment:
    """What only training of segmenters does, in this order.

    ratio: Smallest and largest share of the usual size that a picture is resized to; one between them is drawn.
    crop: (height, width) of the part that is cut out, filled up where the picture is smaller; None: the whole.
    cap: Most of a crop that one class may take; up to `tries` others are drawn where it takes more. 1 takes the first.
    flip: Probability of a mirror image.     distortion: Of the colours; None leaves them.
    The defaults are those of Swin's, Iwin's and ScalableViT's recipes for ADE20K.
    """

    ratio: Range = (0.5, 2.0)
    crop: tuple[Count, Count] | None = (512, 512)
    cap: Annotated[float, Field(gt=0, le=1)] = 0.75
    tries: Annotated[int, Field(ge=0)] = 10
    flip: Part = 0.5
    distortion: Distortion | None = Distortion()
    kind: Literal["pixels"] = "pixels"


@dataclass(frozen=True, config=STRICT)
class PixelPreprocessing:
    """What training and use of segmenters share.

    resize: The usual size; None leaves pictures as they are.
    multiple: Each side of a batch is filled up to one of it; a crop of training is not.
    mean, std: Of the channels, for values in [0, 1]; the defaults are ImageNet's.
    """

    resize: Fit | None = Fit()
    multiple: Count = 1
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.229, 0.224, 0.225)
    kind: Literal["pixels"] = "pixels"
