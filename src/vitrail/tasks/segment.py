"""Which class each pixel of a picture has.   B pictures of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vitrail.data.label_batches import PixelBatch
from vitrail.metrics.pixels import Pixels
from vitrail.models.segmenters import Segmenter
from vitrail.tasks.detect import Losses
from vitrail.tasks.segment_bands import Seen, Window, class_map

Note = Callable[[str, Tensor, Tensor], None]  # of a picture its name, the class of each pixel said, and the true one


@dataclass(frozen=True)
class Segment:
    """classes: Names.     boundary: Whether boundaries are measured, too.

    palette: The data's colours of its classes, which the metric carries on to those who draw.
    note: Is told of each picture as it is predicted.
    """

    classes: tuple[str, ...]
    boundary: bool = False
    palette: Sequence[tuple[int, int, int]] | None = None
    note: Note | None = None

    best = "mIoU"
    shown = ("mIoU", "aAcc")

    def loss(self, model: nn.Module, batch: PixelBatch) -> Losses:
        """The segmenter's own losses, over the pixels that have a class."""
        assert isinstance(model, Segmenter)
        assert isinstance(batch.target, Tensor)
        return Losses(model.loss(batch.images, batch.target))

    def predict(self, model: nn.Module, batch: PixelBatch) -> list[Tensor]:
        """The class of each pixel of each picture as it came, (height, width) uint8, on the model's device.

        The model is used in the mode it is in.
        """
        with torch.no_grad():
            logits = model(batch.images)
        frame = (batch.images.shape[2], batch.images.shape[3])
        found = [
            class_map([Seen((Window(one, frame, size),), size)], original)
            for one, size, original in zip(logits, batch.sizes, batch.originals, strict=False)
        ]
        self.told(batch.names, found, batch.target)
        return found

    def told(self, names: Sequence[str], found: Sequence[Tensor], truths: Iterable[Tensor]) -> None:
        """Tells `note` of each picture."""
        if self.note:
            for name, said, truth in zip(names, found, truths, strict=True):
                self.note(name, said, truth)

    def metric(self) -> Pixels:
        return Pixels(self.classes, self.boundary, palette=self.palette)

    def idle(self, model: nn.Module, skipped: tuple[str, ...]) -> PixelBatch:
        """A batch of one black picture that nobody asks about."""
        return PixelBatch(torch.zeros(1, 3, 64, 64), (), (), (), (), skipped)
