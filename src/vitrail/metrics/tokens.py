"""How well the next token is known: sums over windows and processes, place by place.   B windows, N places of each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch import Tensor


class Known(Protocol):
    """Of each token that was asked for, (B, N): -ln of its probability, and whether it was the likeliest."""

    @property
    def nats(self) -> Tensor: ...
    @property
    def right(self) -> Tensor: ...


class Tokens:
    """Means over the tokens counted.

    Args:
        vocabulary: V.     length: N, of the longest window that comes.
        bytes_each: Bytes of text that a token stands for, on average.
    Attributes:
        sums: (3, N) float64, by place in the window: tokens, nats, tokens that were the likeliest.
    """

    def __init__(self, vocabulary: int, length: int, bytes_each: float = 1.0) -> None:
        self.vocabulary, self.bytes_each = vocabulary, bytes_each
        self.sums = torch.zeros(3, length, dtype=torch.float64)

    def update(self, prediction: Known, target: Any) -> None:
        """Counts a batch; what was asked is within the prediction."""
        nats = prediction.nats.detach().double().cpu()
        right = prediction.right.double().cpu()
        self.sums[:, : nats.shape[1]] += torch.stack([torch.ones_like(nats), nats, right]).sum(1)

    def states(self) -> Tensor:
        """The sums, for another process to `absorb`."""
        return self.sums

    def absorb(self, states: Iterable[Tensor]) -> None:
        """Counts what other processes did, too."""
        for other in states:
            self.sums += other

    @property
    def count(self) -> int:
        return int(self.sums[0].sum())

    def positions(self) -> list[float]:
        """Bits of the tokens at each place of a window, (N,); the first has one token before it."""
        return (self.sums[1] / self.sums[0] / math.log(2)).tolist()

    def compute(self) -> dict[str, float]:
        """Of all tokens counted, NaN before the first:

        "bits", "nats": The mean of -log of the probability of the token that came.
        "bits_per_byte": The same for each byte of the text, so that vocabularies can be compared.
        "accuracy": Share of tokens that were the likeliest.
        "saved": 1 - bits / log2(V), at most 1: what knowing the past saves of a uniform code.
        """
        count, nats, right = (float(each) for each in self.sums.sum(1))
        mean = nats / count if count else math.nan
        bits = mean / math.log(2)
        return {
            "saved": 1 - mean / math.log(max(self.vocabulary, 2)),
            "bits": bits,
            "bits_per_byte": bits / self.bytes_each,
            "nats": mean,
            "accuracy": right / count if count else math.nan,
        }
