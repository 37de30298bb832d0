"""What stands in an MLP's place in diffusion transformers.   C channels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class SwiGLU(nn.Module):
    """w3(SiLU(a) · b) with a and b the halves of w12(x), all with biases: (..., C) -> (..., C).

    Source: arXiv 2002.05202, as LightningDiT (arXiv 2501.01423) has it with hidden = floor(2/3 · 4C).
    """

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.w12 = nn.Linear(dim, 2 * hidden)
        self.w3 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.w12(x).chunk(2, -1)
        return self.w3(F.silu(first) * second)


class TanhMLP(nn.Module):
    """Linear, GELU in its tanh form, Linear: (..., C) -> (..., C).   Source: DiT (arXiv 2212.09748), its release."""

    def __init__(self, dim: int, hidden: int):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))
