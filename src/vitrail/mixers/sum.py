"""Mixers side by side."""

from __future__ import annotations

from torch import Tensor, nn

from vitrail.geometry.links import Links, links_of


class Sum(nn.Module):
    """attention(x) + conv(x), and more where there is more: all read the same x and do not compose.

    Shapes: (B, *S, C) -> (B, *S, C).
    Args:
        conv: May be None where there is something else.
        more: Further mixers, by the names under which they stand.
    Source: Iwin (arXiv 2507.18405) figure 3, S1, eq. 7.
    """

    def __init__(self, attention: nn.Module, conv: nn.Module | None = None, **more: nn.Module):
        super().__init__()
        self.attention = attention
        self.conv = conv
        for name, mixer in more.items():
            self.add_module(name, mixer)

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.children()
        y = first(x)
        for mixer in others:
            y = y + mixer(x)
        return y

    def links(self, size: tuple[int, ...]) -> Links:
        first, *others = self.children()
        links = links_of(first, size)
        for mixer in others:
            links = links | links_of(mixer, size)
        return links
