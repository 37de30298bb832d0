"""The token that comes next, at every place of a window.   B windows, N tokens of each, V vocabulary."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.data.sample import Batch
from vitrail.data.text_batches import nothing
from vitrail.metrics.tokens import Tokens


@dataclass(frozen=True)
class TokenLoss:
    """nats: The mean of -ln of the probability of the token that came."""

    nats: Tensor

    @property
    def total(self) -> Tensor:
        return self.nats


@dataclass(frozen=True)
class Guesses:
    """The task's currency, (B, N) each: -ln of the probability of the token that came; whether it was the likeliest."""

    nats: Tensor
    right: Tensor


@dataclass(frozen=True)
class NextToken:
    """Cross-entropy of the next token.

    length: N, of the longest window.     bytes_each: Bytes of held-out text that a token stands for, on average.
    """

    vocabulary: int
    length: int
    bytes_each: float = 1.0

    best = "saved"
    shown = ("bits:.4f", "accuracy")

    def loss(self, model: nn.Module, batch: Batch) -> TokenLoss:
        return TokenLoss(F.cross_entropy(model(batch.images).flatten(0, 1).float(), batch.target.flatten()))

    def predict(self, model: nn.Module, batch: Batch) -> Guesses:
        """The model, in the mode it is in, on whole windows at once."""
        with torch.no_grad():
            logits = model(batch.images).float()
            target = batch.target if len(batch.target) else batch.images  # of a batch that nobody asks about
            nats = F.cross_entropy(logits.transpose(1, 2), target, reduction="none")
            return Guesses(nats, logits.argmax(-1) == target)

    def metric(self) -> Tokens:
        return Tokens(self.vocabulary, self.length, self.bytes_each)

    def idle(self, model: nn.Module, skipped: tuple[str, ...]) -> Batch:
        """A window that nobody asks about."""
        return nothing(self.length)
