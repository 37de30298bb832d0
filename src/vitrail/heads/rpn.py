"""Region proposals: where things may be, whatever they are.   B pictures, A anchors a position, n boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.data.detections import Instances
from vitrail.heads.anchors import Anchors
from vitrail.heads.boxes import clip, decode, encode
from vitrail.heads.convs import normal
from vitrail.heads.dense import Dense, flat, grids
from vitrail.heads.matching import Match, Sample


@dataclass(frozen=True)
class Proposals:
    """before: of each map, by score.   overlap: that two of one map may have.   keep: of a picture, by score."""

    before: int
    keep: int
    overlap: float = 0.7


class RPN(nn.Module):
    """A 3x3 convolution with ReLU, then 1x1 for the score and the four offsets of each anchor, on every map.

    Args:
        dim, strides: Of the maps.
        match, sample: What learns.
        border: How far a learning anchor may reach out of the picture; None for any (Mask R-CNN), 0 in Cascade R-CNN.
        beta: Where the loss of offsets turns from square to linear; 0 is L1. Cascade R-CNN has 1/9.
        train, test: Proposals of a training step and of a prediction.
    Source: Faster R-CNN (arXiv 1506.01497) section 3.1 on the maps of FPN (arXiv 1612.03144) section 4.1, with the
        figures of mmdetection's configurations. Normal starting values of deviation 0.01.
    """

    def __init__(
        self,
        dim: int,
        strides: Sequence[int],
        match: Match,
        sample: Sample,
        train: Proposals,
        test: Proposals,
        border: float | None = None,
        beta: float = 0.0,
        scale: float = 8.0,
    ) -> None:
        super().__init__()
        self.anchors = Anchors(strides, (scale,))
        self.match, self.sample, self.border, self.beta = match, sample, border, beta
        self.train_proposals, self.test_proposals = train, test
        self.conv = nn.Conv2d(dim, dim, 3, padding=1)
        self.scores = nn.Conv2d(dim, self.anchors.count, 1)
        self.deltas = nn.Conv2d(dim, 4 * self.anchors.count, 1)
        for layer in (self.conv, self.scores, self.deltas):
            normal(layer)

    def forward(self, maps: Sequence[Tensor]) -> Dense:
        """Maps (B, dim, H, W) -> for each, scores (B, A, H, W) and offsets (B, 4A, H, W)."""
        shared = [F.relu(self.conv(x)) for x in maps]
        return Dense([self.scores(x) for x in shared], [self.deltas(x) for x in shared])

    def loss(self, dense: Dense, sizes: Sequence[tuple[int, int]], targets: Sequence[Instances]) -> dict[str, Tensor]:
        """Cross entropy of the sampled scores, and the positive ones' offsets, both over the number sampled."""
        levels = self.anchors(grids(dense), dense.deltas[0].device)
        anchors = torch.cat(levels)
        scores, deltas = flat(dense.scores, 1)[..., 0].float(), flat(dense.deltas, 4).float()
        chosen = 0
        objectness, offsets = scores.new_zeros(()), deltas.new_zeros(())
        for picture, (size, target) in enumerate(zip(sizes, targets, strict=True)):
            allowed = self.anchors.inside(levels, size, self.border).nonzero()[:, 0]
            matched = self.match(target.boxes, anchors[allowed])
            positive, negative = self.sample(matched)
            thing, positive, negative = matched[positive], allowed[positive], allowed[negative]
            both = torch.cat([positive, negative])
            wanted = torch.zeros(len(both), device=both.device)
            wanted[: len(positive)] = 1
            objectness = objectness + F.binary_cross_entropy_with_logits(scores[picture, both], wanted, reduction="sum")
            goal = encode(target.boxes[thing], anchors[positive])
            offsets = offsets + F.smooth_l1_loss(deltas[picture, positive], goal, reduction="sum", beta=self.beta)
            chosen += len(both)
        return {"rpn_scores": objectness / max(chosen, 1), "rpn_boxes": offsets / max(chosen, 1)}

    @torch.no_grad()
    def propose(self, dense: Dense, sizes: Sequence[tuple[int, int]], how: Proposals) -> list[Tensor]:
        """The boxes of each picture that may hold something, the surest first: (n, 4), n <= how.keep."""
        from torchvision.ops import batched_nms

        levels = self.anchors(grids(dense), dense.deltas[0].device)
        found = []
        for picture, size in enumerate(sizes):
            boxes, scores, numbers = [], [], []
            for number, anchors in enumerate(levels):
                score = flat([dense.scores[number][picture : picture + 1]], 1)[0, :, 0].float().sigmoid()
                delta = flat([dense.deltas[number][picture : picture + 1]], 4)[0]
                score, order = score.topk(min(how.before, len(score)))
                boxes.append(clip(decode(delta[order], anchors[order]), size))
                scores.append(score)
                numbers.append(torch.full_like(order, number))
            every = torch.cat(boxes)
            kept = batched_nms(every, torch.cat(scores), torch.cat(numbers), how.overlap)
            found.append(every[kept[: how.keep]])
        return found
