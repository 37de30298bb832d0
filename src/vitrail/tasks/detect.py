"""What is where in a picture: boxes with classes, and masks.   B pictures of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vitrail.data.detection_batches import DetectionBatch
from vitrail.data.detections import Detections
from vitrail.metrics.coco import Coco
from vitrail.models.detectors import Detector


@dataclass(frozen=True)
class Losses:
    """A detector's losses by name, each one number."""

    parts: dict[str, Tensor]

    @property
    def total(self) -> Tensor:
        return torch.stack(list(self.parts.values())).sum()


@dataclass(frozen=True)
class Detect:
    """classes: Names.     masks: Whether masks are measured, too: model and data have them."""

    classes: tuple[str, ...]
    masks: bool = False

    @property
    def best(self) -> str:
        return "mask_AP" if self.masks else "AP"

    @property
    def shown(self) -> tuple[str, ...]:
        return ("AP", "AP50", *(("mask_AP", "mask_AP50") if self.masks else ()))

    def loss(self, model: nn.Module, batch: DetectionBatch) -> Losses:
        """The detector's own losses; `batch.target` counts the pixels of `batch.images`."""
        assert isinstance(model, Detector)
        return Losses(model.loss(batch.images, batch.sizes, batch.target))

    def predict(self, model: nn.Module, batch: DetectionBatch) -> list[Detections]:
        """What is in each picture, in the pixels of the picture as it came, on the CPU.

        The model is used in the mode it is in.
        """
        assert isinstance(model, Detector)
        return [found.to("cpu") for found in model.predict(batch.images, batch.sizes, batch.originals)]

    def metric(self) -> Coco:
        return Coco(self.classes, self.masks)

    def idle(self, model: nn.Module, skipped: tuple[str, ...]) -> DetectionBatch:
        """A batch of one black picture that nobody asks about."""
        return DetectionBatch(torch.zeros(1, 3, 64, 64), (), ((64, 64),), ((64, 64),), (), skipped)
