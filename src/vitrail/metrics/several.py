"""Classification where a sample may have several right classes, as in ImageNet ReaL.   B samples, K classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from vitrail.metrics.calibration import Calibration
from vitrail.metrics.counts import Scored


def members(sets: Sequence[Sequence[int]], classes: int) -> Tensor:
    """(len(sets), classes) bool: which classes are in which set."""
    table = torch.zeros(len(sets), classes, dtype=torch.bool)
    for row, chosen in zip(table, sets, strict=True):
        row[list(chosen)] = True
    return table


class SeveralRight:
    """Top-1: the likeliest class is in the sample's set.   Calibration: the same right, and the set's probability.

    Args:
        sets: The sets of class indices that occur; a target is an index into them.
    """

    def __init__(self, sets: Sequence[Sequence[int]], classes: int) -> None:
        self.members, self.calibration = members(sets, classes), Calibration()

    def update(self, prediction: Scored, target: Tensor) -> None:
        """Counts a batch: scores (B, K), target (B,) indices of sets."""
        scores, inside = prediction.scores.detach().cpu(), self.members[target.cpu()]
        confidence, best = scores.max(1)
        right = inside.gather(1, best[:, None])[:, 0]
        self.calibration.update(confidence, right, (scores.double() * inside).sum(1))

    def states(self) -> tuple[Tensor, ...]:
        """The sums, for another process to `absorb`."""
        return self.calibration.states()

    def absorb(self, states: Iterable[tuple[Tensor, ...]]) -> None:
        """Counts what other processes did, too."""
        self.calibration.absorb(states)

    def compute(self) -> dict[str, float]:
        """ "top1" and "ece" in [0, 1], and "nll": -log of the probability of the whole set; NaN before the first."""
        states = self.calibration
        return {"top1": float(states.right.sum() / states.count.sum()), **states.compute()}
