"""What a module costs: parameters, and multiply-adds counted on tensors that hold nothing."""

from __future__ import annotations

import copy
import itertools
import re

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

PRODUCTS = re.compile(r"\b(bmm|baddbmm)\b|attention")  # operations with a batch on both sides


def parameters(model: nn.Module) -> int:
    """The number of parameters, shared ones once."""
    return sum(p.numel() for p in model.parameters())


def multiply_adds(model: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiply-adds of one forward pass on an input of `shape`, (B, C_in, *S), in evaluation mode.

    Counts convolutions, linear maps and both products of attention; norms, activations and additions are left out.
    A model whose cost follows what it sees says what to count instead in `rehearse(x)`. Runs on the meta device:
    nothing is computed.
    """
    return both(model, shape)[0]


def both(model: nn.Module, shape: tuple[int, ...]) -> tuple[int, int]:
    """`multiply_adds`, and the same without the products of attention, as counters that look at modules have it."""
    tensors = itertools.chain(model.parameters(), model.buffers())
    empty = {id(t): torch.empty_like(t, device="meta") for t in tensors}
    empty |= {id(p): nn.Parameter(empty[id(p)], p.requires_grad) for p in model.parameters()}
    twin = copy.deepcopy(model, empty).eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        getattr(twin, "rehearse", twin)(torch.empty(shape, device="meta"))
    flops = {str(name): flops // 2 for name, flops in counter.get_flop_counts()["Global"].items()}
    return sum(flops.values()), sum(n for name, n in flops.items() if not PRODUCTS.search(name))
