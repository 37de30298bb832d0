"""How far probabilities can be believed: confidence against the share that was right, and the likelihood of the truth.

B samples of a batch.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

BINS = 15
LEAST = torch.finfo(torch.float32).tiny  # a probability that underflowed to 0 counts as this: 87.3 nats


def add(mine: tuple[Tensor, ...], others: Iterable[tuple[Tensor, ...]]) -> None:
    """Adds to each tensor those of `others` in its place."""
    for state in others:
        for here, there in zip(mine, state, strict=True):
            here += there


class Calibration:
    """Sums over bins of equal width: the samples whose highest probability lies in ((n - 1) / 15, n / 15].

    count: (15,) int64 samples.      confidence: (15,) float64 sum of their highest probability.
    right: (15,) int64 of them right.      nats: () float64 sum over all of -log p(truth).
    Source: Guo et al. (arXiv 1706.04599), section 2.
    """

    def __init__(self) -> None:
        self.count, self.right = (torch.zeros(BINS, dtype=torch.int64) for _ in range(2))
        self.confidence, self.nats = torch.zeros(BINS, dtype=torch.float64), torch.zeros((), dtype=torch.float64)

    def update(self, confidence: Tensor, right: Tensor, truth: Tensor) -> None:
        """Counts a batch: highest probabilities (B,), whether they were right (B,), the truth's probabilities (B,)."""
        sure = confidence.cpu().double()
        bins = ((sure * BINS).ceil().long() - 1).clamp(0, BINS - 1)
        self.count += bins.bincount(minlength=BINS)
        self.right += bins[right.cpu()].bincount(minlength=BINS)
        self.confidence += bins.bincount(sure, minlength=BINS)
        self.nats -= truth.cpu().double().clamp(LEAST, 1.0).log().sum()

    def states(self) -> tuple[Tensor, ...]:
        """The sums, for another process to `absorb`."""
        return self.count, self.right, self.confidence, self.nats

    def absorb(self, states: Iterable[tuple[Tensor, ...]]) -> None:
        """Counts what other processes did, too."""
        add(self.states(), states)

    def compute(self) -> dict[str, float]:
        """ "ece", the expected calibration error in [0, 1], and "nll", nats per sample; NaN before the first sample.

        ece = sum over bins of |right - sum of confidence| / samples
        """
        count = self.count.sum()
        gaps = (self.right - self.confidence).abs().sum()
        return {"ece": float(gaps / count), "nll": float(self.nats / count)}
