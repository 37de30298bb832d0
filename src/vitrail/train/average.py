"""An exponential moving average of a model's weights, kept beside them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """average <- keep * average + (1 - keep) * weights after each step, for every floating-point parameter and buffer.

    Whole numbers, such as the count of batches that batch norm has seen, are the model's own.

    Args:
        keep: In (0, 1); 1 / (1 - keep) steps is about how far it looks back.
    """

    def __init__(self, model: nn.Module, keep: float) -> None:
        self.model, self.keep = model, keep
        self.tensors = {name: tensor.detach().clone() for name, tensor in self._live()}

    def _live(self) -> Iterator[tuple[str, Tensor]]:
        for source in (self.model.named_parameters(), self.model.named_buffers()):
            for name, tensor in source:
                if tensor.is_floating_point():
                    yield name, tensor

    @torch.no_grad()
    def update(self) -> None:
        """Takes a step towards the weights as they are."""
        for name, tensor in self._live():
            self.tensors[name].lerp_(tensor.detach(), 1 - self.keep)

    @torch.no_grad()
    def take(self) -> None:
        """Begins anew from the weights as they are."""
        for name, tensor in self._live():
            self.tensors[name].copy_(tensor.detach())

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model has the average for its weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, tensor in self._live():
            kept = tensor.detach().clone()
            tensor.copy_(self.tensors[name])
            self.tensors[name].copy_(kept)
