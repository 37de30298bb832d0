"""Whether the numbers at hand belong to one call, or to a graph that is traced for many."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.fx.experimental.symbolic_shapes import statically_known_true


def tracing() -> bool:
    """Whether tensors are recorded, traced or counted rather than computed."""
    return torch.compiler.is_compiling() or torch._C._len_torch_dispatch_stack() > 0


def some(amounts: Iterable[int]) -> bool:
    """Whether any amount may be other than 0: in a graph for free sizes, all that are not known to be 0."""
    return not all([statically_known_true(amount == 0) for amount in amounts])  # noqa: C419 (traced: no generators)


def settled(x: Tensor) -> Tensor:
    """x itself; in an exported graph copied in the order of its axes, where a reshape would ask how x lies.

    What is asked there binds the graph to sizes of the same answer, and a side of one window gives another.
    """
    return x.clone(memory_format=torch.contiguous_format) if torch.compiler.is_exporting() else x
