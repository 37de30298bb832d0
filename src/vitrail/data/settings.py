"""How a picture becomes a tensor, in plain values: a recipe holds them, a weights file carries them. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, PositiveFloat
from pydantic.dataclasses import dataclass

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
Part = Annotated[float, Field(ge=0, le=1)]
Some = Annotated[float, Field(gt=0, le=1)]
Amount = Annotated[float, Field(ge=0)]


def _rising(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError("Wanted the smaller one first")
    return pair


@dataclass(frozen=True, config=STRICT)
class Preprocessing:
    """What training and use share.

    share: Part of the resized picture's shorter side that the centre crop keeps, as 224 of 256; None resizes straight
        to the model's size, whatever the shape.
    mean, std: Of the channels, for values in [0, 1]; the defaults are ImageNet's.
    """

    share: Some | None = 0.875
    interpolation: Literal["bicubic", "bilinear", "nearest"] = "bicubic"
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.229, 0.224, 0.225)
    kind: Literal["pictures"] = "pictures"


@dataclass(frozen=True, config=STRICT)
class RandAugment:
    """`count` changes of a picture, each drawn from a fixed list and made with probability `chance`.

    magnitude: Strength, 0 to 10.     spread: Standard deviation of the strength, drawn anew for each change.
    The defaults are `rand-m9-mstd0.5-inc1` of the releases. Source: RandAugment (arXiv 1909.13719), timm's variant.
    """

    count: Annotated[int, Field(ge=1)] = 2
    magnitude: Annotated[float, Field(ge=0, le=10)] = 9.0
    spread: Amount = 0.5
    chance: Part = 0.5


@dataclass(frozen=True, config=STRICT)
class Augment:
    """What only training does, in this order; zero or None leaves a step out.

    crop: Smallest and largest share of the area a random resized crop takes; None: as in use.
    rotate: Largest angle either way, degrees, to 180.      shift: Largest shift either way, share of the side.
    scale: Smallest and largest zoom.               flip: Probability of a mirror image.
    jitter: Strength of the change of brightness, contrast and saturation, 0 to 1.
    rand: RandAugment.
    erase: Probability that a rectangle is replaced by noise.
    mixup, cutmix: Beta parameters of the two ways to mix a batch; with both, each batch draws one of them.
    repeats: Changed copies of a picture that stand in one batch; an epoch keeps its length, so it sees 1 / repeats
        of the pictures. Source: Hoffer et al. (arXiv 1901.09335).
    """

    crop: Annotated[tuple[Some, Some], AfterValidator(_rising)] | None = None
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    shift: Part = 0.0
    scale: Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_rising)] | None = None
    flip: Part = 0.0
    jitter: Part = 0.0
    rand: RandAugment | None = None
    erase: Part = 0.0
    mixup: Amount = 0.0
    cutmix: Amount = 0.0
    repeats: Annotated[int, Field(ge=1)] = 1
    kind: Literal["pictures"] = "pictures"


@dataclass(frozen=True, config=STRICT)
class Sides:
    """The shorter side that a picture is resized to, its shape kept: least, least + step, to most; one is drawn.

    longest: Pixels that the longer side stays below; the shorter one then gets smaller. `step=1` draws any side.
    """

    least: Annotated[int, Field(ge=1)] = 800
    most: Annotated[int, Field(ge=1)] = 800
    step: Annotated[int, Field(ge=1)] = 32
    longest: Annotated[int, Field(ge=1)] = 1333

    def __post_init__(self) -> None:
        _rising((self.least, self.most))


@dataclass(frozen=True, config=STRICT)
class CropBranch:
    """Resize, crop, then the usual resize: with probability `chance`, in place of the usual resize alone.

    before: The first resize.     least, most: Pixels between which each side of the crop is drawn, no larger than the
    picture. A crop without a box is kept. Source: DETR (arXiv 2005.12872), as Swin's configs have it.
    """

    chance: Part = 0.5
    before: Sides = Sides(400, 600, 100)
    least: Annotated[int, Field(ge=1)] = 384
    most: Annotated[int, Field(ge=1)] = 600

    def __post_init__(self) -> None:
        _rising((self.least, self.most))


@dataclass(frozen=True, config=STRICT)
class LargeJitter:
    """Resized to a share of `side` drawn between `least` and `most`, then cut or filled up to a square of `side`.

    Source: Simple Copy-Paste (arXiv 2012.07177), section 3; its standard jitter is 0.8 to 1.25.
    """

    least: PositiveFloat = 0.1
    most: PositiveFloat = 2.0
    side: Annotated[int, Field(ge=1)] = 1024

    def __post_init__(self) -> None:
        _rising((self.least, self.most))


@dataclass(frozen=True, config=STRICT)
class DetectionAugment:
    """What only training of detectors does.

    resize: As `Sides`.     crop: The branch with a crop.     jitter: In place of both of them.
    flip: Probability of a mirror image.
    paste: Probability that things of another picture are pasted in; wants masks.
    """

    resize: Sides = Sides()
    crop: CropBranch | None = None
    jitter: LargeJitter | None = None
    flip: Part = 0.5
    paste: Part = 0.0
    kind: Literal["boxes"] = "boxes"


@dataclass(frozen=True, config=STRICT)
class DetectionPreprocessing:
    """What training and use of detectors share.

    resize: In use, where `least` and `most` are one.     multiple: Each side of a batch is filled up to one of it.
    mean, std: Of the channels, for values in [0, 1]; the defaults are ImageNet's.
    """

    resize: Sides = Sides()
    multiple: Annotated[int, Field(ge=1)] = 32
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.229, 0.224, 0.225)
    kind: Literal["boxes"] = "boxes"
