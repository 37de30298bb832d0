"""Between a latent and tokens, both ways, without a norm.   B batch, p side of a patch, C channels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.tracing import some


class Patches(nn.Module):
    """Non-overlapping patches, one linear map each: (B, C_in, H, W) -> (B, ceil(H/p), ceil(W/p), C).

    Zeros are added at the bottom and the right.
    Source: DiT (arXiv 2212.09748) section 3.2; its release takes squares that p divides.
    """

    def __init__(self, in_channels: int, dim: int, patch: int):
        super().__init__()
        self.patch = patch
        self.project = nn.Conv2d(in_channels, dim, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        bottom, right = (-(-s // self.patch) * self.patch - s for s in x.shape[-2:])
        if some((bottom, right)):
            x = F.pad(x, (0, right, 0, bottom))
        return self.project(x).movedim(1, -1)


def unpatch(x: Tensor, patch: int, size: tuple[int, int]) -> Tensor:
    """(B, h, w, p·p·C) -> (B, C, H, W) with (H, W) = `size`, what was added by `Patches` cut off.

    A token holds its patch row by row, channels fastest.
    """
    x = x.unflatten(-1, (patch, patch, -1)).permute(0, 5, 1, 3, 2, 4)  # (B, C, h, p, w, p)
    x = x.flatten(4, 5).flatten(2, 3)
    bottom, right = x.shape[-2] - size[0], x.shape[-1] - size[1]
    return F.pad(x, (0, -right, 0, -bottom)) if some((bottom, right)) else x
