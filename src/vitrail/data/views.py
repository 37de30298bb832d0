"""Several views of one picture for a test: their probabilities are averaged.   V views."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from vitrail.data.settings import Preprocessing
from vitrail.data.transforms import Transform, for_use
from vitrail.errors import InputError

COUNTS = {"one": 1, "flip": 2, "ten": 10}
SHARE = 224 / 256  # of the crops of a preprocessing that has none


def how_many(views: str) -> int:
    """V. Raises: InputError for a name that is none of one, flip, ten."""
    if views not in COUNTS:
        raise InputError(f"views {views!r} is none of {', '.join(COUNTS)}.")
    return COUNTS[views]


def for_views(views: str, size: tuple[int, int], settings: Preprocessing) -> Transform:
    """RGB picture -> (V, 3, H, W), the view of `for_use` first where it is one of them.

    one: As in use.      flip: That, and its mirror image.
    ten: The four corners and the centre of the resized picture, then the mirror images of the five. A preprocessing
        with `share` resizes as in use, so the fifth is the view in use; one without (it resizes straight to the
        model's size) resizes to 256 / 224 of that size.
    Source: AlexNet (NeurIPS 2012), section 4.1.
    Differs: its corners are those of the central square, ours of the whole resized picture, as torchvision's are.
    Raises: InputError for another name.
    """
    wanted = how_many(views)
    return _Ten(size, settings) if wanted == 10 else partial(_usual, for_use(size, settings), wanted == 2)


def _usual(transform: Transform, mirrored: bool, image: Image.Image) -> Tensor:
    view = transform(image)[None]
    return _with_mirror(view) if mirrored else view


class _Ten:
    """The ten crops."""

    def __init__(self, size: tuple[int, int], settings: Preprocessing) -> None:
        self.size, self.share = size, settings.share
        self.mode = v2.InterpolationMode(settings.interpolation)
        self.finish = for_use(size, replace(settings, share=None))  # a crop has its size already: only normalised

    def __call__(self, image: Image.Image) -> Tensor:
        large = F.resize(image, self.larger(image.height, image.width), self.mode, antialias=True)
        return _with_mirror(torch.stack([self.finish(crop) for crop in F.five_crop(large, list(self.size))]))

    def larger(self, height: int, width: int) -> list[int]:
        """(H, W) that the crops are taken from."""
        if self.share is None:
            return [round(new / SHARE) for new in self.size]
        zoom = max(int(new / self.share) / side for new, side in zip(self.size, (height, width), strict=True))
        return [max(round(side * zoom), new) for side, new in zip((height, width), self.size, strict=True)]


def _with_mirror(crops: Tensor) -> Tensor:
    return torch.cat([crops, crops.flip(-1)])
