"""What a video shows: one of K classes.   B videos of a batch, V views of each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from vitrail.data.clip_batches import ClipBatch
from vitrail.data.clip_settings import ClipPreprocessing
from vitrail.metrics.counts import Counts
from vitrail.tasks.classify import Classes, Classify, Losses


@dataclass(frozen=True)
class Recognise:
    """Cross entropy over `classes` classes; `smoothing` moves that share of each target evenly to all of them."""

    classes: int
    smoothing: float = 0.0

    best, shown = Classify.best, Classify.shown

    def loss(self, model: nn.Module, batch: ClipBatch) -> Losses:
        """Mean cross entropy; targets are indices (B,) or shares (B, K), as mixing leaves them."""
        return Classify(self.classes, self.smoothing).loss(model, batch)

    def predict(self, model: nn.Module, batch: ClipBatch) -> Classes:
        """Probabilities, the mean over the views of each video: one view after another, so that V costs time alone.

        The model is used in the mode it is in.
        Source: both papers' tests average probabilities, not logits.
        """
        with torch.no_grad():
            shares = [model(view).float().softmax(1) for view in batch.views()]
            return Classes(torch.stack(shares).mean(0))

    def metric(self) -> Counts:
        return Counts(self.classes)

    def idle(self, model: nn.Module, skipped: tuple[str, ...]) -> ClipBatch:
        """A batch of one black clip that nobody asks about."""
        size = getattr(model, "input_size", (32, 32, 32))
        nothing = torch.empty(0, dtype=torch.int64)
        return ClipBatch(torch.zeros(1, 3, *size), nothing, ClipPreprocessing(), (), skipped)
