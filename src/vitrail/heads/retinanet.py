"""RetinaNet's head: every anchor of every map is scored for every class.   B pictures, K classes, A anchors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.data.detections import Instances
from vitrail.heads.anchors import Anchors
from vitrail.heads.boxes import best, clip, decode, encode
from vitrail.heads.convs import normal
from vitrail.heads.dense import Dense, flat, grids
from vitrail.heads.matching import NOTHING, UNDECIDED, Match


@dataclass(frozen=True)
class Keep:
    """Of a prediction.   before: anchors of each map, by their best class; score: above it; overlap: that two of a
    class may have; keep: of a picture."""

    score: float = 0.05
    overlap: float = 0.5
    keep: int = 100
    before: int = 1000


class RetinaNetHead(nn.Module):
    """Two towers of `depth` 3x3 convolutions with ReLU, one for classes and one for offsets, shared by all maps.

    Args:
        dim, strides: Of the maps.
        alpha, gamma: Of the focal loss.
        prior: The score that every class begins with.
    Source: RetinaNet (arXiv 1708.02002) section 4; anchors of three ratios and three sizes an octave, from four
        strides on. L1 for offsets, as mmdetection has it (the paper: smooth L1). Deviation 0.01.
    """

    def __init__(
        self,
        dim: int,
        strides: Sequence[int],
        num_classes: int,
        match: Match,
        keep: Keep,
        depth: int = 4,
        alpha: float = 0.25,
        gamma: float = 2.0,
        prior: float = 0.01,
        scale: float = 4.0,
    ) -> None:
        super().__init__()
        self.num_classes, self.match, self.keep, self.alpha, self.gamma = num_classes, match, keep, alpha, gamma
        self.anchors = Anchors(strides, [scale * 2 ** (n / 3) for n in range(3)])
        self.class_tower = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1) for _ in range(depth))
        self.box_tower = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1) for _ in range(depth))
        self.scores = nn.Conv2d(dim, num_classes * self.anchors.count, 3, padding=1)
        self.deltas = nn.Conv2d(dim, 4 * self.anchors.count, 3, padding=1)
        for layer in (*self.class_tower, *self.box_tower, self.deltas):
            normal(layer)
        normal(self.scores, bias=-math.log((1 - prior) / prior))

    def forward(self, maps: Sequence[Tensor]) -> Dense:
        """Maps (B, dim, H, W) -> for each, scores (B, A * K, H, W) and offsets (B, A * 4, H, W)."""
        scores, deltas = [], []
        for x in maps:
            y = x
            for one, other in zip(self.class_tower, self.box_tower, strict=True):
                x, y = F.relu(one(x)), F.relu(other(y))
            scores.append(self.scores(x))
            deltas.append(self.deltas(y))
        return Dense(scores, deltas)

    def loss(self, dense: Dense, sizes: Sequence[tuple[int, int]], targets: Sequence[Instances]) -> dict[str, Tensor]:
        """Focal loss of all decided anchors and L1 of the positive ones' offsets, over the number of positive ones."""
        from torchvision.ops import sigmoid_focal_loss

        levels = self.anchors(grids(dense), dense.deltas[0].device)
        anchors = torch.cat(levels)
        scores, deltas = flat(dense.scores, self.num_classes).float(), flat(dense.deltas, 4).float()
        classes, boxes, positives = scores.new_zeros(()), scores.new_zeros(()), 0
        for picture, (size, target) in enumerate(zip(sizes, targets, strict=True)):
            matched = self.match(target.boxes, anchors)
            matched[~self.anchors.inside(levels, size, None)] = UNDECIDED
            decided, positive = matched >= NOTHING, (matched >= 0).nonzero()[:, 0]
            wanted = torch.zeros_like(scores[picture])
            wanted[positive, target.classes[matched[positive]]] = 1
            focal = sigmoid_focal_loss(scores[picture], wanted, self.alpha, self.gamma)
            classes = classes + (focal * decided[:, None]).sum()
            goal = encode(target.boxes[matched[positive]], anchors[positive])
            boxes = boxes + F.l1_loss(deltas[picture, positive], goal, reduction="sum")
            positives += max(len(positive), 1)
        return {"classes": classes / positives, "boxes": boxes / positives}

    @torch.no_grad()
    def find(self, dense: Dense, sizes: Sequence[tuple[int, int]]) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Boxes (n, 4), scores (n,) falling and classes (n,) of each picture, in the pixels of the batch."""
        levels = self.anchors(grids(dense), dense.deltas[0].device)
        found = []
        for picture, size in enumerate(sizes):
            boxes, scores = [], []
            for number, anchors in enumerate(levels):
                score = flat([dense.scores[number][picture : picture + 1]], self.num_classes)[0].float().sigmoid()
                delta = flat([dense.deltas[number][picture : picture + 1]], 4)[0]
                order = score.amax(1).topk(min(self.keep.before, len(score))).indices
                boxes.append(clip(decode(delta[order], anchors[order]), size))
                scores.append(score[order])
            every = torch.cat(boxes), torch.cat(scores)
            found.append(best(*every, self.keep.score, self.keep.overlap, self.keep.keep)[:3])
        return found
