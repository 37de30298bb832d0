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
        compiling = torch.compiler.is_compiling()
        return torch.ops.vitrail.linear(x, weight, bias, gelu) if compiling else _fused(x, weight, bias, gelu)
    y = F.linear(x, weight, bias)
    return F.gelu(y) if gelu else y


def _fused(x: Tensor, weight: Tensor, bias: Tensor | None, gelu: bool) -> Tensor:
    activation, kind = ("gelu", "none") if gelu else ("none", "")
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, activation, [], kind)


# to a compiler it is one step, in which nothing is to be changed: its own way with float32 is MKL, half as fast on AMD
torch.library.define("vitrail::linear", "(Tensor x, Tensor weight, Tensor? bias, bool gelu) -> Tensor")
torch.library.impl("vitrail::linear", "cpu")(_fused)


@torch.library.register_fake("vitrail::linear")
def _shape(x: Tensor, weight: Tensor, bias: Tensor | None, gelu: bool) -> Tensor:
    return x.new_empty((*x.shape[:-1], weight.shape[0]))


def _fuses(x: Tensor, weight: Tensor) -> bool:
    """Inference on a CPU in one type of number, computed or compiled, but not exported, recorded or counted."""
    return (
        not torch.is_grad_enabled()
        and x.is_cpu
        and x.dtype == weight.dtype
        and x.dtype in _FUSED
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_exporting()
        and (x.dtype == torch.float32 if torch.compiler.is_compiling() else torch._C._len_torch_dispatch_stack() == 0)
    )


_FUSED = {torch.bfloat16, torch.float32} if torch.backends.mkldnn.is_available() else set()
