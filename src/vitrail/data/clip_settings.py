"""How a video becomes a tensor, in plain values: a recipe holds them, a weights file carries them. No torch here."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PositiveFloat
from pydantic.dataclasses import dataclass

from vitrail.data.settings import STRICT, Amount, Part, RandAugment, Some, _rising
from vitrail.errors import InputError

Count = Annotated[int, Field(ge=1)]
MOST_VIEWS = 120  # of a video: they are in memory together


@dataclass(frozen=True, config=STRICT)
class Sampling:
    """Which frames of a video make a clip.

    length: Frames of a clip.     interval: From one frame to the next; "uniform" has no use for it.
    how: "interval": `length` frames, `interval` apart, from a place drawn in training, and from places spread over the
        video in use. "dense": the same in training; in use the first clip begins at the first frame and the last ends
        at the last. "uniform": a frame of each of `length` equal pieces of the video, drawn in training, the middle one
        in use.
    Source: the releases of Video Swin and Video Iwin: Kinetics-400 takes 32 frames 2 apart, Something-Something v2 32
        pieces; "dense" is TSM's (arXiv 1811.08383), which tests with ten clips.
    """

    length: Count = 32
    interval: Count = 2
    how: Literal["interval", "uniform", "dense"] = "interval"


@dataclass(frozen=True, config=STRICT)
class ClipPreprocessing:
    """What training and use share.

    share: Part of the resized shorter side that a crop keeps, as 224 of 256; several crops of a clip take all of it.
    mean, std: Of the channels, for values in [0, 1]; the defaults are ImageNet's, which the releases use.
    """

    sampling: Sampling = Sampling()
    share: Some = 0.875
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.229, 0.224, 0.225)
    kind: Literal["clips"] = "clips"


@dataclass(frozen=True, config=STRICT)
class ClipAugment:
    """What only training does, in this order, one draw for all frames of a clip; zero or None leaves a step out.

    crop: Smallest and largest share of the area a random resized crop takes; None: as in use.
    aspect: Smallest and largest width / height of that crop.     flip: Probability of a mirror image.
    rand: RandAugment.     erase: Probability that a rectangle is replaced by noise.
    mixup, cutmix: Beta parameters of the two ways to mix a batch; with both, each batch draws one of them.
    The defaults are those of the releases on Kinetics-400.
    """

    crop: Annotated[tuple[Some, Some], AfterValidator(_rising)] | None = (0.08, 1.0)
    aspect: Annotated[tuple[PositiveFloat, PositiveFloat], AfterValidator(_rising)] = (3 / 4, 4 / 3)
    flip: Part = 0.5
    rand: RandAugment | None = None
    erase: Part = 0.0
    mixup: Amount = 0.0
    cutmix: Amount = 0.0
    kind: Literal["clips"] = "clips"


@dataclass(frozen=True, config=STRICT)
class ClipViews:
    """How many clips of a video a test takes, and crops of each; their probabilities are averaged.

    crops: 1 is the one of use, in the middle; more lie along the longer side from end to end, the shorter side whole.
    The releases measure Kinetics-400 with 4 x 3 and Something-Something v2 with 1 x 3.
    """

    clips: Count = 1
    crops: Count = 1

    @property
    def count(self) -> int:
        return self.clips * self.crops


def views_of(text: str) -> ClipViews:
    """`4x3`: four clips and three crops of each; `one`: one of one. Raises: InputError for anything else."""
    match = re.fullmatch(r"([1-9]\d{0,2})x([1-9]\d{0,2})", "1x1" if text == "one" else text.lower())
    if not match:
        raise InputError(f"views {text!r}: wanted clips x crops of a video, such as 4x3, or one.")
    views = ClipViews(int(match[1]), int(match[2]))
    if views.count > MOST_VIEWS:
        raise InputError(f"views {text!r} are {views.count}; wanted {MOST_VIEWS} at most.")
    return views
