"""Detectors on any dense backbone: RetinaNet, Faster and Mask R-CNN, Cascade (Mask) R-CNN.

Sources: the papers in heads/, put together as the configurations of Swin (arXiv 2103.14030), Iwin (arXiv 2507.18405)
and ScalableViT (arXiv 2203.10790) have them; ScalableViT's were never released, and RetinaNet's P6 on the backbone's
last map is the choice that gives its paper's totals.

B pictures, K classes, n things of a picture. A batch is (B, 3, H, W), normalised, pictures at the top left and zeros
below and to the right; `sizes` are their own (H, W).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, PositiveFloat
from pydantic.dataclasses import dataclass
from torch import Tensor

from vitrail.data.detections import Detections, Instances
from vitrail.heads import mask_head, region_heads
from vitrail.heads.box_head import BoxHead
from vitrail.heads.boxes import Stds, clip
from vitrail.heads.dense import Dense
from vitrail.heads.fpn import FPN
from vitrail.heads.mask_head import MaskHead
from vitrail.heads.matching import Match, Sample, learnable
from vitrail.heads.region_heads import RegionHeads, Stage
from vitrail.heads.retinanet import Keep, RetinaNetHead
from vitrail.heads.rpn import RPN, Proposals
from vitrail.models.assemble import Network
from vitrail.models.assembled import Assembled, Kind, rest_first_map
from vitrail.models.spec import CHECKED, Count, Share

MULTIPLE = 32  # sides of a batch are padded to it
SCORED, MASKED = 1000, 100  # regions and masks of a picture whose cost is counted
Sizes = Sequence[tuple[int, int]]
_STDS: tuple[Stds, ...] = ((0.1, 0.1, 0.2, 0.2), (0.05, 0.05, 0.1, 0.1), (0.033, 0.033, 0.067, 0.067))


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class RetinaNetSpec:
    """RetinaNet.

    Fields:
        backbone: Fields of the backbone's spec, such as {"drop_path": 0.2}; at create_model they stand beside these.
        global_attention: A layer of it after the backbone's last stage.
        channels, tower: Of the pyramid and the head; convolutions of each tower.
        positive, negative: Overlaps from which an anchor is a thing, and below which it is nothing.
        alpha, gamma: Of the focal loss.
        before, score, overlap, keep: Of a prediction: anchors of each map, the least score, the overlap that two of a
            class may have, and how many of a picture.
    """

    backbone: dict[str, Any] = Field(default_factory=dict)
    global_attention: bool = False
    channels: Count = 256
    tower: Count = 4
    positive: Share = 0.5
    negative: Share = 0.4
    alpha: Share = 0.25
    gamma: NonNegativeFloat = 2.0
    before: Count = 1000
    score: Share = 0.05
    overlap: Share = 0.5
    keep: Count = 100


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class RCNNSpec:
    """Faster, Mask and Cascade R-CNN.

    Fields:
        backbone, global_attention, channels: As RetinaNet's.
        masks: A mask for each box.
        overlaps: From which a region is a thing, for each stage; one stage is Faster or Mask R-CNN.
        weights: Of the losses of each stage.
        lowest: The least overlap at which a thing takes the region that overlaps it most; None: it does not.
        box_head: "linear": two linear maps; "conv": four convolutions with batch norm, then one.
        box_loss: "l1" of offsets, or "giou" of decoded boxes with weight 10.
        regions, share: Drawn of a picture for each stage, and how many of them are things at most.
        anchors, anchor_share, anchor_positive, anchor_negative, anchor_lowest: The same of anchors.
        border: How far a learning anchor may reach out of the picture, in pixels; None for any.
        beta: Where the loss of the anchors' offsets turns from square to linear; 0 is L1.
        train_before, train_proposals, test_before, test_proposals: Of each map before, and of a picture after
            suppression at `proposal_overlap`.
        score, overlap, keep, mask_threshold: Of a prediction.
    """

    backbone: dict[str, Any] = Field(default_factory=dict)
    global_attention: bool = False
    channels: Count = 256
    masks: bool = False
    overlaps: tuple[Share, ...] = (0.5,)
    weights: tuple[PositiveFloat, ...] = (1.0, 0.5, 0.25)
    lowest: Share | None = 0.5
    box_head: Literal["linear", "conv"] = "linear"
    box_loss: Literal["l1", "giou"] = "l1"
    width: Count = 1024
    regions: Count = 512
    share: PositiveFloat = 0.25
    anchors: Count = 256
    anchor_share: PositiveFloat = 0.5
    anchor_positive: Share = 0.7
    anchor_negative: Share = 0.3
    anchor_lowest: Share | None = 0.3
    border: NonNegativeFloat | None = None
    beta: NonNegativeFloat = 0.0
    train_before: Count = 2000
    train_proposals: Count = 1000
    test_before: Count = 1000
    test_proposals: Count = 1000
    proposal_overlap: Share = 0.7
    score: Share = 0.05
    overlap: Share = 0.5
    keep: Count = 100
    mask_threshold: Share = 0.5

    def __post_init__(self) -> None:
        if not 1 <= len(self.overlaps) <= len(_STDS) or len(self.weights) < len(self.overlaps):
            raise ValueError(f"overlaps={self.overlaps}: one to {len(_STDS)} stages, each with a weight")


_CASCADE: dict[str, Any] = {
    "overlaps": (0.5, 0.6, 0.7),
    "lowest": None,
    "box_head": "conv",
    "box_loss": "giou",
    "border": 0.0,
    "beta": 1 / 9,
    "train_proposals": 2000,
}


class Detector(Assembled):
    """Pictures to boxes. `model(images)` is the part that is the same for every content, and compiles in one graph.

    `loss` and `predict` take it by `forward`: a model that is dealt out gathers its parameters once for each of them.

    Attributes:
        masks: Whether it finds masks, too.
    """

    masks = False

    def loss(self, images: Tensor, sizes: Sizes, targets: Sequence[Instances]) -> dict[str, Tensor]:
        """The losses of a batch by name, each one number; their sum is to fall.

        Crowds are left out: they are neither to be found nor held against an anchor that finds them.
        """
        raise NotImplementedError

    def predict(self, images: Tensor, sizes: Sizes, originals: Sizes | None = None) -> list[Detections]:
        """What is in each picture.

        Args:
            originals: (H, W) of the pictures before they were resized to `sizes`, in whose pixels the answer is.
        """
        raise NotImplementedError

    def rehearse(self, images: Tensor) -> None:
        """Everything that has a cost in a prediction, on features that may hold nothing; see `count`."""
        raise NotImplementedError


class RetinaNet(Detector):
    """Source: arXiv 1708.02002. What serves the backbone's first map alone counts as a parameter and does not learn."""

    def __init__(self, spec: RetinaNetSpec, backbone: Network, num_classes: int) -> None:
        super().__init__(backbone)
        rest_first_map(backbone)
        self.neck = FPN(backbone.channels, backbone.strides, spec.channels, start=1, extra="input")
        match = Match(spec.positive, spec.negative, 0.0)
        keep = Keep(spec.score, spec.overlap, spec.keep, spec.before)
        self.head = RetinaNetHead(
            spec.channels, self.neck.strides, num_classes, match, keep, spec.tower, spec.alpha, spec.gamma
        )

    def forward(self, images: Tensor) -> Dense:
        """(B, 3, H, W) -> scores and offsets of every anchor, for five maps."""
        return self.head(self.neck(self.backbone(padded(images))))

    def loss(self, images: Tensor, sizes: Sizes, targets: Sequence[Instances]) -> dict[str, Tensor]:
        return self.head.loss(self.forward(images), sizes, [learnable(target) for target in targets])

    @torch.no_grad()
    def predict(self, images: Tensor, sizes: Sizes, originals: Sizes | None = None) -> list[Detections]:
        found = self.head.find(self.forward(images), sizes)
        return [
            Detections(_moved(boxes, size, frame), scores, classes, frame)
            for (boxes, scores, classes), size, frame in zip(found, sizes, _frames(sizes, originals), strict=True)
        ]

    def rehearse(self, images: Tensor) -> None:
        self(images)


class Parts(NamedTuple):
    """What an R-CNN computes whatever the picture holds."""

    maps: list[Tensor]
    anchors: Dense


class RCNN(Detector):
    """Source: Faster R-CNN (arXiv 1506.01497), Mask R-CNN (arXiv 1703.06870), Cascade R-CNN (arXiv 1712.00726)."""

    def __init__(self, spec: RCNNSpec, backbone: Network, num_classes: int) -> None:
        super().__init__(backbone)
        self.masks, self.mask_threshold = spec.masks, spec.mask_threshold
        self.neck = FPN(backbone.channels, backbone.strides, spec.channels, extra="pool")
        self.rpn = RPN(
            spec.channels,
            self.neck.strides,
            Match(spec.anchor_positive, spec.anchor_negative, spec.anchor_lowest),
            Sample(spec.anchors, spec.anchor_share),
            Proposals(spec.train_before, spec.train_proposals, spec.proposal_overlap),
            Proposals(spec.test_before, spec.test_proposals, spec.proposal_overlap),
            spec.border,
            spec.beta,
        )
        stages = [
            Stage(Match(overlap, overlap, spec.lowest), stds, weight)
            for overlap, stds, weight in zip(spec.overlaps, _STDS, spec.weights, strict=False)
        ]
        layers = (4, 1) if spec.box_head == "conv" else (0, 2)
        self.regions = RegionHeads(
            self.neck.strides[:-1],
            num_classes,
            stages,
            [BoxHead(spec.channels, num_classes, *layers, spec.width) for _ in stages],
            [MaskHead(spec.channels, num_classes) for _ in stages] if spec.masks else [],
            Sample(spec.regions, spec.share),
            region_heads.Keep(spec.score, spec.overlap, spec.keep),
            10.0 if spec.box_loss == "giou" else None,
        )

    def forward(self, images: Tensor) -> Parts:
        """(B, 3, H, W) -> the pyramid's five maps, and scores and offsets of every anchor."""
        maps = self.neck(self.backbone(padded(images)))
        return Parts(maps, self.rpn(maps))

    def loss(self, images: Tensor, sizes: Sizes, targets: Sequence[Instances]) -> dict[str, Tensor]:
        known = [learnable(target) for target in targets]
        maps, dense = self.forward(images)
        losses = self.rpn.loss(dense, sizes, known)
        proposals = self.rpn.propose(dense, sizes, self.rpn.train_proposals)
        return losses | self.regions.loss(maps, proposals, sizes, known)

    @torch.no_grad()
    def predict(self, images: Tensor, sizes: Sizes, originals: Sizes | None = None) -> list[Detections]:
        maps, dense = self.forward(images)
        found = self.regions.find(maps, self.rpn.propose(dense, sizes, self.rpn.test_proposals), sizes)
        given = []
        for one, size, frame in zip(found, sizes, _frames(sizes, originals), strict=True):
            boxes = _moved(one.boxes, size, frame)
            masks = None if one.masks is None else mask_head.pack(one.masks, boxes, frame, self.mask_threshold)
            given.append(Detections(boxes, one.scores, one.classes, frame, masks))
        return given

    def rehearse(self, images: Tensor) -> None:
        self.regions.rehearse(self(images).maps[0], SCORED, MASKED)


KINDS = {
    "retinanet": Kind(RetinaNetSpec(), RetinaNet, 80),
    "faster_rcnn": Kind(RCNNSpec(), RCNN, 80),
    "mask_rcnn": Kind(RCNNSpec(masks=True), RCNN, 80),
    "cascade_rcnn": Kind(RCNNSpec(**_CASCADE), RCNN, 80),
    "cascade_mask_rcnn": Kind(RCNNSpec(masks=True, **_CASCADE), RCNN, 80),
}


def padded(images: Tensor, multiple: int = MULTIPLE) -> Tensor:
    """Zeros below and to the right, up to multiples of `multiple`."""
    bottom, right = -images.shape[-2] % multiple, -images.shape[-1] % multiple
    return F.pad(images, (0, right, 0, bottom)) if bottom or right else images


def _frames(sizes: Sizes, originals: Sizes | None) -> list[tuple[int, int]]:
    return [(int(height), int(width)) for height, width in (sizes if originals is None else originals)]


def _moved(boxes: Tensor, size: tuple[int, int], frame: tuple[int, int]) -> Tensor:
    """Boxes of a picture of `size` in the pixels of the same picture at `frame`."""
    rows, columns = frame[0] / size[0], frame[1] / size[1]
    return clip(boxes * boxes.new_tensor([columns, rows, columns, rows]), frame)
