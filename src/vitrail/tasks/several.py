"""Which one of K classes is in the picture, where several are right, as in ImageNet ReaL.   B pictures of a batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from vitrail.data.sample import Batch
from vitrail.metrics.several import SeveralRight, members
from vitrail.tasks.classify import Classes, Classify, Losses


@dataclass(frozen=True)
class Several:
    """`sets` are the sets of classes that are right together; a batch's targets (B,) index them."""

    classes: int
    sets: tuple[tuple[int, ...], ...]

    def loss(self, model: nn.Module, batch: Batch) -> Losses:
        """Mean of -log of the probability of the whole set, in nats."""
        inside = members(self.sets, self.classes).to(batch.target.device)[batch.target]
        logs = model(batch.images).float().log_softmax(1)
        return Losses(-logs.masked_fill(~inside, -torch.inf).logsumexp(1).mean())

    best, shown = Classify.best, Classify.shown

    def predict(self, model: nn.Module, batch: Batch) -> Classes:
        """As `Classify`."""
        return Classify(self.classes).predict(model, batch)

    def idle(self, model: nn.Module, skipped: tuple[str, ...]) -> Batch:
        """As `Classify`."""
        return Classify(self.classes).idle(model, skipped)

    def metric(self) -> SeveralRight:
        return SeveralRight(self.sets, self.classes)
