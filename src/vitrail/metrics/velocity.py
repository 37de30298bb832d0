"""How well a velocity is known: sums over samples and processes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch import Tensor


class Known(Protocol):
    """Of each of B samples (B,): the mean squared error, the mean of 1 - cosine, the mean square of the truth."""

    @property
    def squared(self) -> Tensor: ...
    @property
    def direction(self) -> Tensor: ...
    @property
    def truth(self) -> Tensor: ...


class Velocities:
    """Means over the samples counted.   sums: (4,) float64: samples, squared errors, directions, squares of truths."""

    def __init__(self) -> None:
        self.sums = torch.zeros(4, dtype=torch.float64)

    def update(self, prediction: Known, target: Any) -> None:
        """Counts a batch; the truth is within the prediction, since what is asked was drawn for it."""
        parts = (prediction.squared, prediction.direction, prediction.truth)
        sums = [part.detach().double().sum().cpu() for part in parts]
        self.sums += torch.stack([torch.tensor(float(len(prediction.squared)), dtype=torch.float64), *sums])

    def states(self) -> Tensor:
        """The sums, for another process to `absorb`."""
        return self.sums

    def absorb(self, states: Iterable[Tensor]) -> None:
        """Counts what other processes did, too."""
        for other in states:
            self.sums += other

    def compute(self) -> dict[str, float]:
        """Of all samples counted, NaN before the first:

        "explained": 1 - squared error / square of the truth, at most 1; 0 is a velocity of zero everywhere.
        "velocity": The mean squared error.     "direction": The mean of 1 - cosine over channels.
        """
        count, squared, direction, truth = self.sums
        return {
            "explained": float(1 - squared / truth),
            "velocity": float(squared / count),
            "direction": float(direction / count),
        }
