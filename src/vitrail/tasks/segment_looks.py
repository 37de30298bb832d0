"""Classes of pixels measured by any way of looking at a picture."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from vitrail.data.pictures import PictureBatch
from vitrail.tasks.segment import Segment
from vitrail.tasks.segment_views import Look


@dataclass(frozen=True)
class SegmentLooking(Segment):
    """As `Segment`, of pictures as they come.   look: Has a model of its own."""

    look: Look | None = None

    def predict(self, model: nn.Module, batch: PictureBatch) -> list[Tensor]:  # type: ignore[override]
        """The class of each pixel of each picture, (H, W) uint8, on the CPU."""
        assert self.look
        found = [self.look(image) for image in batch.images]
        self.told(batch.names, found, batch.target)
        return found
