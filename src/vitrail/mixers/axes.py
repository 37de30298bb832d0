"""A layer for grids of few axes, on a grid of more."""

from __future__ import annotations

from torch import Tensor, nn

from vitrail.geometry.links import Links, links_of, self_links


class OnAxes(nn.Module):
    """A layer on some axes of a grid, applied alike at every position of the others.

    Shapes: (B, *S, C) -> (B, *S', C'): `layer` is given (B', *S_axes, C) and may change these axes and the channels.
    On a clip, (B, T, H, W, C), `axes=(1, 2)` is a layer for each frame, `axes=(0,)` one along time for each place.
    Args:
        axes: Of S, counted from 0, rising.
    """

    def __init__(self, layer: nn.Module, axes: tuple[int, ...]):
        super().__init__()
        self.layer = layer
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        grid = range(1, x.ndim - 1)
        inside = [axis + 1 for axis in self.axes]
        outside = [axis for axis in grid if axis not in inside]
        order = [0, *outside, *inside, x.ndim - 1]
        x = x.permute(order)
        folded = x.shape[: 1 + len(outside)]
        y = self.layer(x.flatten(0, len(outside))).unflatten(0, folded)
        return y.permute([order.index(axis) for axis in range(y.ndim)])

    def links(self, size: tuple[int, ...]) -> Links:
        own = links_of(self.layer, tuple(size[axis] for axis in self.axes))
        (alone,) = self_links(size).terms
        terms = []
        for term in own.terms:
            whole = list(alone)
            for axis, matrix in zip(self.axes, term, strict=True):
                whole[axis] = matrix
            terms.append(tuple(whole))
        return Links(tuple(terms))

    def extra_repr(self) -> str:
        return f"axes={self.axes}"
