"""Classification counted: sums over batches and processes. All but confidences are whole numbers, whatever the order.

B samples of a batch, K classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor

from vitrail.metrics.calibration import Calibration, add


class Scored(Protocol):
    """A prediction with one score per class."""

    @property
    def scores(self) -> Tensor: ...


class Counts:
    """Top-1, top-5, accuracy per class and the confusion matrix, from two tables of counts; and the calibration.

    confusion: (K, K) int64; row: the true class, column: the class with the highest score.
    in_top5: (K,) int64; samples of each class whose true class is among the five highest scores.
    calibration: What the scores are worth as probabilities.
    """

    def __init__(self, classes: int) -> None:
        self.confusion = torch.zeros(classes, classes, dtype=torch.int64)
        self.in_top5 = torch.zeros(classes, dtype=torch.int64)
        self.calibration = Calibration()

    def update(self, prediction: Scored, target: Tensor) -> None:
        """Counts a batch: scores (B, K), target (B,) class indices."""
        scores, target = prediction.scores.detach().cpu(), target.cpu()
        classes = len(self.in_top5)
        highest, best = scores.topk(min(5, classes), dim=1)  # (B, 5), the highest first
        pairs = target * classes + best[:, 0]
        self.confusion += pairs.bincount(minlength=classes * classes).view(classes, classes)
        self.in_top5 += target[(best == target[:, None]).any(1)].bincount(minlength=classes)
        truth = scores.gather(1, target[:, None])[:, 0]
        self.calibration.update(highest[:, 0], best[:, 0] == target, truth)

    def states(self) -> tuple[Tensor, ...]:
        """The sums, for another process to `absorb`."""
        return self.confusion, self.in_top5, *self.calibration.states()

    def absorb(self, states: Iterable[tuple[Tensor, ...]]) -> None:
        """Counts what other processes did, too."""
        add(self.states(), states)

    def compute(self) -> dict[str, float]:
        """Of all samples counted: "top1", "top5" where there are more than five classes, "ece" and "nll".

        Shares in [0, 1], but "nll" in nats. All are NaN before the first sample.
        """
        count = self.confusion.sum()
        result = {"top1": float(self.confusion.trace() / count)}
        if len(self.in_top5) > 5:
            result["top5"] = float(self.in_top5.sum() / count)
        return {**result, **self.calibration.compute()}

    def per_class(self) -> Tensor:
        """(K,) top-1 of the samples of each class, in [0, 1]; NaN for a class that had none."""
        return self.confusion.diagonal() / self.confusion.sum(1)
