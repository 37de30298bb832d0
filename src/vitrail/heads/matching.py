"""Which box of the truth an anchor or a region stands for, and which of them a step learns from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vitrail.data.detections import Instances
from vitrail.heads.boxes import with_area

NOTHING, UNDECIDED = -1, -2


@dataclass(frozen=True)
class Match:
    """The rule.

    positive: From this overlap (intersection over union) on a box stands for the thing it overlaps most.
    negative: Below this one it stands for nothing; between the two it is undecided.
    lowest: Each thing also takes the boxes that overlap it most, all of them where several do so equally, if the
        overlap is at least this and above 0; of two things that claim a box, the later has it. None: it does not.
    Source: Faster R-CNN (arXiv 1506.01497) section 3.1.2, with the figures and the lowest overlap of mmdetection's
        configurations; torchvision's matcher has no lowest overlap.
    """

    positive: float = 0.5
    negative: float = 0.5
    lowest: float | None = None

    def __call__(self, truth: Tensor, boxes: Tensor) -> Tensor:
        """(m, 4) things and (n, 4) boxes -> (n,): the index of a thing, NOTHING or UNDECIDED."""
        from torchvision.ops import box_iou

        if not len(truth) or not len(boxes):
            return torch.full((len(boxes),), NOTHING, device=boxes.device)
        overlaps = box_iou(truth, boxes)
        most, thing = overlaps.max(0)
        found = torch.where(most < self.negative, NOTHING, UNDECIDED)
        found = torch.where(most >= self.positive, thing, found)
        if self.lowest is None:
            return found
        peak = overlaps.max(1, keepdim=True).values
        claimed = (overlaps == peak) & (peak >= self.lowest) & (peak > 0)
        number = torch.arange(1, len(truth) + 1, device=boxes.device)[:, None]
        claim = (claimed * number).amax(0)
        return torch.where(claim > 0, claim - 1, found)


@dataclass(frozen=True)
class Sample:
    """At most `count` boxes of a picture, at most `share` of them positive, the rest what stands for nothing."""

    count: int
    share: float

    def __call__(self, matched: Tensor) -> tuple[Tensor, Tensor]:
        """What a `Match` gave, (n,) -> indices of positive and of negative boxes, drawn at random."""
        from torchvision.models.detection._utils import BalancedPositiveNegativeSampler

        labels = torch.where(matched == UNDECIDED, -1, matched + 1)
        positive, negative = BalancedPositiveNegativeSampler(self.count, self.share)([labels])
        return positive[0].nonzero()[:, 0], negative[0].nonzero()[:, 0]


def learnable(target: Instances) -> Instances:
    """What there is to learn in a picture: no crowds, no boxes of no size."""
    wanted = ~target.crowd & with_area(target.boxes)
    return target if bool(wanted.all()) else target[wanted]
