"""The norm of diffusion and language transformers, in mixed precision too."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class RMSNorm(nn.RMSNorm):
    """x / sqrt(mean(x^2) + eps) · weight over the last axis, with statistics in float32: (..., C) -> (..., C).

    Source: arXiv 1910.07467.
    Differs: PyTorch's own warns, and takes no fused path, where autocast hands it 16 bits beside a weight of 32; then
        the result has 32 here, as in the release of LightningDiT.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.dtype == self.weight.dtype:
            return super().forward(x)
        return F.rms_norm(x.float(), self.normalized_shape, self.weight.float(), self.eps)
