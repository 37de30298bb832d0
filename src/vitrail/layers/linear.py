"""Linear maps with bias and GELU in one pass where a CPU infers, and the plain two or three elsewhere.

PyTorch's eager linear map of 16-bit numbers on a CPU first copies the bias to every row of the result, and GELU reads
and writes the whole once more. oneDNN, which PyTorch carries for its compiler, does all three while a tile is in cache.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Linear):
    """`nn.Linear` through `linear`; GELU (exact) after it where `gelu`.

    Shapes: (..., C_in) -> (..., C_out).
    """

    def __init__(self, dim_in: int, dim_out: int, bias: bool = True, gelu: bool = False):
        super().__init__(dim_in, dim_out, bias)
        self.gelu = gelu

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight, self.bias, self.gelu)

    def extra_repr(self) -> str:
        return super().extra_repr() + (", gelu" if self.gelu else "")


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, gelu: bool = False) -> Tensor:
    """x weight^T + bias, then exact GELU if `gelu`: (..., C_in) -> (..., C_out) for a weight (C_out, C_in)."""
    if _fuses(x, weight):
        activation, kind = ("gelu", "none") if gelu else ("none", "")
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], kind)
    y = F.linear(x, weight, bias)
    return F.gelu(y) if gelu else y


def _fuses(x: Tensor, weight: Tensor) -> bool:
    """Inference on a CPU in one type of number, and nobody records, traces or compiles."""
    return (
        not torch.is_grad_enabled()
        and x.is_cpu
        and x.dtype == weight.dtype
        and x.dtype in _FUSED
        and not torch.compiler.is_compiling()
        and torch._C._len_torch_dispatch_stack() == 0
        and not torch.is_autocast_enabled("cpu")
    )


_FUSED = {torch.bfloat16, torch.float32} if torch.backends.mkldnn.is_available() else set()
