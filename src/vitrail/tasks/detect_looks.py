"""Boxes measured by any way of looking at a picture."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from vitrail.data.detections import Detections
from vitrail.data.pictures import PictureBatch
from vitrail.tasks.detect import Detect
from vitrail.tasks.detect_views import Look


@dataclass(frozen=True)
class DetectLooking(Detect):
    """As `Detect`, of pictures as they come.   look: Has a model of its own."""

    look: Look | None = None

    def predict(self, model: nn.Module, batch: PictureBatch) -> list[Detections]:  # type: ignore[override]
        """What is in each picture, in its own pixels."""
        assert self.look
        return [self.look(image) for image in batch.images]
