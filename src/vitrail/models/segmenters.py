"""Networks that give every pixel a class, on any dense backbone: UperNet and Semantic FPN.

Sources: the papers in heads/, put together as the configurations of Swin (arXiv 2103.14030), Iwin (arXiv 2507.18405)
and, by its text alone, ScalableViT (arXiv 2203.10790) have them.   B pictures, K classes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat
from pydantic.dataclasses import dataclass
from torch import Tensor

from vitrail.heads.fpn import FPN
from vitrail.heads.semantic_fpn import SemanticFPNHead
from vitrail.heads.upernet import AuxiliaryHead, UperNetHead, resize
from vitrail.models.assemble import Network
from vitrail.models.assembled import Assembled, Kind
from vitrail.models.spec import CHECKED, Count, Share

IGNORED = 255  # the label of pixels that have none


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class UperNetSpec:
    """UperNet.

    Fields:
        backbone: Fields of the backbone's spec, such as {"drop_path": 0.3}; at create_model they stand beside these.
        global_attention: A layer of it after the backbone's last stage.
        channels: Of the head.     dropout: Of channels before the classifiers.
        auxiliary, auxiliary_channels: Weight and channels of the head on stage 3 that training adds; 0 has none.
    """

    backbone: dict[str, Any] = Field(default_factory=dict)
    global_attention: bool = False
    channels: Count = 512
    dropout: Share = 0.1
    auxiliary: NonNegativeFloat = 0.4
    auxiliary_channels: Count = 256


@dataclass(frozen=True, kw_only=True, config=CHECKED)
class SemanticFPNSpec:
    """Semantic FPN.

    Fields:
        backbone, global_attention, dropout: As UperNet's.
        pyramid, channels: Channels of the feature pyramid and of the head.
    """

    backbone: dict[str, Any] = Field(default_factory=dict)
    global_attention: bool = False
    pyramid: Count = 256
    channels: Count = 128
    dropout: Share = 0.1


class Segmenter(Assembled):
    """Pictures (B, 3, H, W) -> logits (B, K, ceil(H/4), ceil(W/4))."""

    def loss(self, images: Tensor, labels: Tensor, ignored: int = IGNORED) -> dict[str, Tensor]:
        """Mean cross entropy over the pixels that have a class, by name; 0 where none has.

        Args:
            labels: (B, H, W) int64 in [0, K), or `ignored`.
        """
        return {"pixels": pixel_loss(self.forward(images), labels, ignored)}

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """Logits at the pictures' size: (B, 3, H, W) -> (B, K, H, W)."""
        height, width = images.shape[-2:]
        return resize(self.forward(images), (height, width))

    def rehearse(self, images: Tensor) -> None:
        """Everything that has a cost in a prediction; see `count`."""
        self(images)


class UperNet(Segmenter):
    """Source: arXiv 1807.10221."""

    def __init__(self, spec: UperNetSpec, backbone: Network, num_classes: int) -> None:
        super().__init__(backbone)
        self.weight = spec.auxiliary
        self.head = UperNetHead(backbone.channels, num_classes, spec.channels, spec.dropout)
        third = backbone.channels[-2]
        self.auxiliary = (
            AuxiliaryHead(third, num_classes, spec.auxiliary_channels, spec.dropout) if spec.auxiliary else None
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.backbone(images))

    def loss(self, images: Tensor, labels: Tensor, ignored: int = IGNORED) -> dict[str, Tensor]:
        maps = self.backbone(images)
        losses = {"pixels": pixel_loss(self.head(maps), labels, ignored)}
        if self.auxiliary is not None:
            losses["auxiliary"] = self.weight * pixel_loss(self.auxiliary(maps[-2]), labels, ignored)
        return losses


class SemanticFPN(Segmenter):
    """Source: Panoptic FPN (arXiv 1901.02446) section 3."""

    def __init__(self, spec: SemanticFPNSpec, backbone: Network, num_classes: int) -> None:
        super().__init__(backbone)
        self.neck = FPN(backbone.channels, backbone.strides, spec.pyramid)
        self.head = SemanticFPNHead(spec.pyramid, self.neck.strides, num_classes, spec.channels, spec.dropout)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.neck(self.backbone(images)))


KINDS = {
    "upernet": Kind(UperNetSpec(), UperNet, 150),
    "semantic_fpn": Kind(SemanticFPNSpec(), SemanticFPN, 150),
}


def pixel_loss(logits: Tensor, labels: Tensor, ignored: int = IGNORED) -> Tensor:
    """Mean cross entropy of logits (B, K, h, w), resized to the labels' (B, H, W); 0 where all are ignored.

    Differs: mmsegmentation divides by all pixels, ignored ones too.
    """
    height, width = labels.shape[-2:]
    whole = resize(logits.float(), (height, width))
    total = F.cross_entropy(whole, labels, ignore_index=ignored, reduction="sum")
    return total / (labels != ignored).sum().clamp(min=1)
