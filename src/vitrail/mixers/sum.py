"""Two mixers side by side."""

from __future__ import annotations

from torch import Tensor, nn

from vitrail.geometry.links import Links, links_of


class Sum(nn.Module):
    """attention(x) + conv(x): both read the same x and do not compose.

    Shapes: (B, *S, C) -> (B, *S, C).
    Source: Iwin (arXiv 2507.18405) figure 3, S1, eq. 7.
    """

    def __init__(self, attention: nn.Module, conv: nn.Module):
        super().__init__()
        self.attention = attention
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x) + self.conv(x)

    def links(self, size: tuple[int, ...]) -> Links:
        return links_of(self.attention, size) | links_of(self.conv, size)
