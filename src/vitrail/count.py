"""What a module costs: parameters, and multiply-adds counted on tensors that hold nothing."""

from __future__ import annotations

import copy
import itertools

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


def parameters(model: nn.Module) -> int:
    """The number of parameters, shared ones once."""
    return sum(p.numel() for p in model.parameters())


def multiply_adds(model: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiply-adds of one forward pass on an input of `shape`, (B, C_in, *S), in evaluation mode.

    Counts convolutions, linear maps and both products of attention; norms, activations and additions are left out.
    Runs on the meta device: nothing is computed.
    """
    tensors = itertools.chain(model.parameters(), model.buffers())
    empty = {id(t): torch.empty_like(t, device="meta") for t in tensors}
    empty |= {id(p): nn.Parameter(empty[id(p)], p.requires_grad) for p in model.parameters()}
    twin = copy.deepcopy(model, empty).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        twin(torch.empty(shape, device="meta"))
    return counter.get_total_flops() // 2
