"""Which one of K classes is in the picture.   B pictures of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitrail.data.sample import Batch
from vitrail.metrics.counts import Counts


@dataclass(frozen=True)
class Losses:
    """The mean cross entropy over a batch, in nats."""

    classes: Tensor

    @property
    def total(self) -> Tensor:
        return self.classes


@dataclass(frozen=True)
class Classes:
    """The task's currency: a probability for every class of every picture.

    scores: (B, K) float32 in [0, 1], each row adding to 1.
    Raises: ValueError where they are anything else.
    """

    scores: Tensor

    def __post_init__(self) -> None:
        scores = self.scores
        if scores.ndim != 2 or scores.dtype != torch.float32:
            raise ValueError(f"Classes wants scores (B, K) in float32; got {tuple(scores.shape)} in {scores.dtype}.")
        whole = torch.allclose(scores.sum(1), scores.new_ones(()), atol=1e-3)
        if not whole or not ((scores >= 0) & (scores <= 1)).all():
            raise ValueError("Classes wants probabilities: rows of values in [0, 1] that add to 1.")

    def __len__(self) -> int:
        return len(self.scores)

    def top(self, count: int) -> tuple[Tensor, Tensor]:
        """Probabilities and classes, (B, count) each, the likeliest first; no more than there are classes."""
        best = self.scores.topk(min(count, self.scores.shape[1]), dim=1)
        return best.values, best.indices


class Labelled(Protocol):
    """A batch of pictures or clips, with classes or shares of them."""

    @property
    def images(self) -> Tensor: ...
    @property
    def target(self) -> Tensor: ...


@dataclass(frozen=True)
class Classify:
    """Cross entropy over `classes` classes; `smoothing` moves that share of each target evenly to all of them."""

    classes: int
    smoothing: float = 0.0

    best = "top1"
    shown = ("top1", "top5")

    def loss(self, model: nn.Module, batch: Labelled) -> Losses:
        """Mean cross entropy; targets are indices (B,) or shares (B, K), as mixing leaves them."""
        return Losses(F.cross_entropy(model(batch.images).float(), batch.target, label_smoothing=self.smoothing))

    def predict(self, model: nn.Module, batch: Batch) -> Classes:
        """Probabilities for images (B, 3, H, W), or their mean over V views of each picture, (B, V, 3, H, W).

        The model is used in the mode it is in.
        """
        images = batch.images
        with torch.no_grad():
            if images.ndim == 4:
                return Classes(model(images).float().softmax(1))
            scores = model(images.flatten(0, 1)).float().softmax(1)
            return Classes(scores.unflatten(0, images.shape[:2]).mean(1))

    def idle(self, model: nn.Module, skipped: tuple[str, ...]) -> Batch:
        """A batch of one black picture that nobody asks about."""
        return Batch.of(torch.zeros(1, 3, *getattr(model, "size", (32, 32))), skipped)

    def metric(self) -> Counts:
        return Counts(self.classes)
