"""A mixer for models that keep their tokens in one line."""

from __future__ import annotations

from math import prod

from torch import Tensor, nn

from vitrail.geometry.links import Links, links_of


class OnGrid(nn.Module):
    """A mixer of grids as one of sequences: row-major tokens are laid on `grid`, mixed, and laid out again.

    Shapes: (B, N, C) -> (B, N, C) with N = prod(grid). `attn_mask` and `is_causal` are there so that it can stand for
    the attention of a timm block, and must keep their defaults.
    Raises: ValueError for another N (a class token has no place on a grid: build the model without one), or a mask.
    """

    def __init__(self, mixer: nn.Module, grid: tuple[int, ...]):
        super().__init__()
        self.mixer = mixer
        self.grid = grid

    def forward(self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False) -> Tensor:
        if attn_mask is not None or is_causal:
            raise ValueError("OnGrid takes no attention mask: which tokens meet is what its mixer decides.")
        if x.shape[1] != prod(self.grid):
            raise ValueError(
                f"{x.shape[1]} tokens came, the grid {self.grid} holds {prod(self.grid)}; "
                "build the model without class and register tokens, and for this grid."
            )
        return self.mixer(x.unflatten(1, self.grid)).flatten(1, -2)

    def links(self) -> Links:
        return links_of(self.mixer, self.grid)
