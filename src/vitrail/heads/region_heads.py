"""The second step of the R-CNN family: regions are classified and moved, in one stage or in three, and masked.

n regions of a picture, m of a batch, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.data.detections import Instances
from vitrail.heads import box_head, mask_head
from vitrail.heads.box_head import BoxHead
from vitrail.heads.boxes import Stds, best, clip, decode, encode
from vitrail.heads.mask_head import MaskHead, mask_loss, mask_targets
from vitrail.heads.matching import Match, Sample
from vitrail.heads.regions import read


@dataclass(frozen=True)
class Stage:
    """What a stage takes for a hit, the deviations of its offsets, and the weight of its losses."""

    match: Match
    stds: Stds
    weight: float = 1.0


@dataclass(frozen=True)
class Keep:
    """Of a prediction.   score: above it; overlap: that two of a class may have; keep: of a picture."""

    score: float = 0.05
    overlap: float = 0.5
    keep: int = 100


class Found(NamedTuple):
    """Of one picture, in the pixels of the batch: boxes (n, 4), scores (n,) falling, classes (n,), masks (n, 28, 28)
    in [0, 1], or None."""

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    masks: Tensor | None


class Drawn(NamedTuple):
    """The regions of one picture that a stage learns from, the positive ones first."""

    boxes: Tensor  # (n, 4)
    things: Tensor  # (p,) of the positive ones
    classes: Tensor  # (n,), K for nothing
    given: Tensor  # (n,) bool: a thing's own box


class RegionHeads(nn.Module):
    """Box heads one after the other, each from the boxes of the one before, with a mask head each or none.

    Args:
        strides: Of the maps that regions are read from.
        boxes, masks: A head for each of `stages`; no masks for a detector of boxes.
        giou: The weight of the loss 1 - GIoU of decoded boxes; None has L1 of offsets.
    Source: Mask R-CNN (arXiv 1703.06870); Cascade R-CNN (arXiv 1712.00726) sections 4 and 5, with the figures of
        mmdetection's configurations. As there, boxes of the truth join the proposals of every training stage, a
        prediction takes the mean of the stages' logits, and the mean of their masks.
    """

    def __init__(
        self,
        strides: Sequence[int],
        num_classes: int,
        stages: Sequence[Stage],
        boxes: Sequence[BoxHead],
        masks: Sequence[MaskHead],
        sample: Sample,
        keep: Keep,
        giou: float | None = None,
    ) -> None:
        super().__init__()
        self.strides, self.num_classes, self.stages = tuple(strides), num_classes, tuple(stages)
        self.sample, self.keep, self.giou = sample, keep, giou
        self.boxes, self.masks = nn.ModuleList(boxes), nn.ModuleList(masks)

    def loss(
        self,
        maps: Sequence[Tensor],
        proposals: Sequence[Tensor],
        sizes: Sequence[tuple[int, int]],
        targets: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """The losses of every stage, weighted: "classes", "boxes" and, where there are masks, "masks"."""
        losses: dict[str, Tensor] = {}
        for number, stage in enumerate(self.stages):
            drawn = [self._draw(stage, boxes, target) for boxes, target in zip(proposals, targets, strict=True)]
            scores, deltas = self.boxes[number](self._read(maps, [one.boxes for one in drawn], box_head.SIZE))
            found = self._box_losses(stage, drawn, targets, scores, deltas)
            if len(self.masks):
                found["masks"] = self._mask_loss(self.masks[number], maps, drawn, targets)
            name = f"_{number + 1}" if len(self.stages) > 1 else ""
            losses |= {key + name: value * stage.weight for key, value in found.items()}
            if number + 1 < len(self.stages):
                proposals = self._refine(stage, drawn, scores.detach(), deltas.detach(), sizes)
        return losses

    @torch.no_grad()
    def find(
        self, maps: Sequence[Tensor], proposals: Sequence[Tensor], sizes: Sequence[tuple[int, int]]
    ) -> list[Found]:
        """What is in each picture, in the pixels of the batch."""
        counts = [len(each) for each in proposals]
        boxes, total = list(proposals), 0.0
        for number, stage in enumerate(self.stages):
            scores, deltas = self.boxes[number](self._read(maps, boxes, box_head.SIZE))
            total = total + scores.float()
            if number + 1 < len(self.stages):
                moved = decode(_own(deltas, scores[:, :-1].argmax(1)), torch.cat(boxes), stage.stds)
                boxes = [clip(each, size) for each, size in zip(moved.split(counts), sizes, strict=True)]
        assert isinstance(total, Tensor)
        shares = (total / len(self.stages)).softmax(1)[:, :-1]
        every = decode(deltas, torch.cat(boxes), self.stages[-1].stds)
        kept = [
            best(clip(each, size), score, self.keep.score, self.keep.overlap, self.keep.keep)[:3]
            for each, score, size in zip(every.split(counts), shares.split(counts), sizes, strict=True)
        ]
        if not len(self.masks):
            return [Found(*each, None) for each in kept]
        masks = self._shapes(maps, [each[0] for each in kept], torch.cat([each[2] for each in kept]))
        return [Found(*each, mask) for each, mask in zip(kept, masks.split([len(k[0]) for k in kept]), strict=True)]

    def rehearse(self, like: Tensor, regions: int, shapes: int) -> None:
        """What a picture of so many regions and masks costs, on features that hold nothing."""
        for head in self.boxes:
            head(like.new_empty(regions, like.shape[1], box_head.SIZE, box_head.SIZE))
        for head in self.masks:
            head(like.new_empty(shapes, like.shape[1], mask_head.SIZE, mask_head.SIZE))

    def _read(self, maps: Sequence[Tensor], boxes: Sequence[Tensor], size: int) -> Tensor:
        return read(maps[: len(self.strides)], self.strides, boxes, size)

    def _draw(self, stage: Stage, proposals: Tensor, target: Instances) -> Drawn:
        boxes = torch.cat([target.boxes, proposals])
        matched = stage.match(target.boxes, boxes)
        positive, negative = self.sample(matched)
        both, things = torch.cat([positive, negative]), matched[positive]
        classes = torch.full((len(both),), self.num_classes, device=boxes.device)
        classes[: len(positive)] = target.classes[things]
        return Drawn(boxes[both], things, classes, both < len(target))

    def _box_losses(
        self,
        stage: Stage,
        drawn: Sequence[Drawn],
        targets: Sequence[Instances],
        scores: Tensor,
        deltas: Tensor,
    ) -> dict[str, Tensor]:
        """Cross entropy, and the positive regions' loss of place, both over the number of regions."""
        from torchvision.ops import generalized_box_iou_loss

        boxes, classes = torch.cat([one.boxes for one in drawn]), torch.cat([one.classes for one in drawn])
        count = max(len(boxes), 1)
        positive = (classes < self.num_classes).nonzero()[:, 0]
        truth = torch.cat([target.boxes[one.things] for one, target in zip(drawn, targets, strict=True)])
        own, start = _own(deltas[positive], classes[positive]).float(), boxes[positive]
        if self.giou is None:
            place = F.l1_loss(own, encode(truth, start, stage.stds), reduction="sum")
        else:
            place = self.giou * generalized_box_iou_loss(decode(own, start, stage.stds), truth, reduction="sum")
        return {"classes": F.cross_entropy(scores.float(), classes, reduction="sum") / count, "boxes": place / count}

    def _mask_loss(
        self, head: nn.Module, maps: Sequence[Tensor], drawn: Sequence[Drawn], targets: Sequence[Instances]
    ) -> Tensor:
        boxes = [one.boxes[: len(one.things)] for one in drawn]
        wanted = [mask_targets(t, each, one.things) for t, each, one in zip(targets, boxes, drawn, strict=True)]
        classes = torch.cat([one.classes[: len(one.things)] for one in drawn])
        return mask_loss(head(self._read(maps, boxes, mask_head.SIZE)), classes, torch.cat(wanted))

    def _refine(
        self,
        stage: Stage,
        drawn: Sequence[Drawn],
        scores: Tensor,
        deltas: Tensor,
        sizes: Sequence[tuple[int, int]],
    ) -> list[Tensor]:
        """The regions moved: positive ones by their thing's class, the others by their likeliest."""
        classes = torch.cat([one.classes for one in drawn])
        chosen = torch.where(classes < self.num_classes, classes, scores[:, :-1].argmax(1))
        moved = decode(_own(deltas, chosen), torch.cat([one.boxes for one in drawn]), stage.stds)
        parts = moved.split([len(one.boxes) for one in drawn])
        return [clip(part[~one.given], size) for part, one, size in zip(parts, drawn, sizes, strict=True)]

    def _shapes(self, maps: Sequence[Tensor], boxes: Sequence[Tensor], classes: Tensor) -> Tensor:
        """The mean over stages of the masks of each box's class: (m, 28, 28) in [0, 1]."""
        features = self._read(maps, boxes, mask_head.SIZE)
        rows = torch.arange(len(classes), device=classes.device)
        shapes = [head(features)[rows, classes].float().sigmoid() for head in self.masks]
        return torch.stack(shapes).mean(0)


def _own(deltas: Tensor, classes: Tensor) -> Tensor:
    """Of each region the offsets of its class: (n, K, 4), (n,) -> (n, 4)."""
    return deltas[torch.arange(len(deltas), device=deltas.device), classes]
