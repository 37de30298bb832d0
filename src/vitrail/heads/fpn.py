"""Feature pyramid network: the deep maps' meaning at all resolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn


class FPN(nn.Module):
    """1x1 laterals, added from the top down by nearest up-sampling, then 3x3 outputs.

    Shapes: maps (B, C_s, H_s, W_s) -> maps (B, dim, H_s, W_s) of `strides`.
    Args:
        channels, strides: Of the maps that come, the finest first.
        start: The first map used: 1 for RetinaNet, which begins at stride 8.
        extra: "pool": one level more, every second pixel of the last output (R-CNN's fifth). "input": two levels
            more, 3x3 convolutions of stride 2 on the last map that comes and on their result (RetinaNet's P6, P7; of
            the places they could be taken from the one that gives the papers' totals). None: none.
    Source: FPN (arXiv 1612.03144); RetinaNet (arXiv 1708.02002) section 4. No norms; Xavier-uniform.
    """

    def __init__(
        self,
        channels: Sequence[int],
        strides: Sequence[int],
        dim: int = 256,
        start: int = 0,
        extra: Literal["pool", "input"] | None = None,
    ) -> None:
        super().__init__()
        self.start, self.extra, last = start, extra, strides[-1]
        more = {"pool": 1, "input": 2, None: 0}[extra]
        self.channels = dim
        self.strides = (*strides[start:], *(last * 2**n for n in range(1, more + 1)))
        self.laterals = nn.ModuleList(nn.Conv2d(c, dim, 1) for c in channels[start:])
        self.outputs = nn.ModuleList(nn.Conv2d(dim, dim, 3, padding=1) for _ in channels[start:])
        first = nn.Conv2d(channels[-1], dim, 3, 2, 1)
        self.extras = nn.ModuleList([first, nn.Conv2d(dim, dim, 3, 2, 1)] if extra == "input" else [])
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        used = [lateral(x) for lateral, x in zip(self.laterals, maps[self.start :], strict=True)]
        for level in range(len(used) - 1, 0, -1):
            used[level - 1] = used[level - 1] + F.interpolate(used[level], size=used[level - 1].shape[-2:])
        found = [output(x) for output, x in zip(self.outputs, used, strict=True)]
        if self.extra == "pool":
            found.append(F.max_pool2d(found[-1], 1, 2))
        last = maps[-1]
        for step in self.extras:
            last = step(last)
            found.append(last)
        return found
