"""Four maps out of one, for networks that keep one resolution."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

STRIDES = (4, 8, 16, 32)


class SmallPyramid(nn.Module):
    """Two transposed convolutions up to stride 4, one to 8, the map itself at 16, a max-pool down to 32.

    Shapes: (B, C, h, w) at stride 16 -> (B, C/4, 4h, 4w), (B, C/2, 2h, 2w), (B, C, h, w), (B, C, ceil(h/2), ceil(w/2)).
    Source: Swin (arXiv 2103.14030) section 4.2, which builds maps for DeiT-S by deconvolution and prints 80 M for
        Cascade Mask R-CNN and 52 M for UperNet, but neither widths nor norms. Halving the width with each step up gives
        80.3 M and 52.2 M, keeping it 81.6 M and 53.5 M, so it is halved. Norm and GELU between two steps are ViTDet's
        (arXiv 2203.16527 section 3).
    Raises: ValueError if 4 does not divide `dim`.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim % 4:
            raise ValueError(f"dim={dim}: a multiple of 4 is wanted, for a quarter of it at stride 4.")
        self.channels = (dim // 4, dim // 2, dim, dim)
        self.strides = STRIDES
        self.first = nn.ConvTranspose2d(dim, dim // 2, 2, 2)
        self.norm = nn.LayerNorm(dim // 2)
        self.second = nn.ConvTranspose2d(dim // 2, dim // 4, 2, 2)
        self.up = nn.ConvTranspose2d(dim, dim // 2, 2, 2)

    def forward(self, x: Tensor) -> list[Tensor]:
        half = self.norm(self.first(x).movedim(1, -1)).movedim(-1, 1)
        return [self.second(F.gelu(half)), self.up(x), x, F.max_pool2d(x, 2, ceil_mode=True)]
