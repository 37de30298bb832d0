"""Which position of a grid can influence which, exactly, as a union of products of one relation an axis.

A window, a convolution and a global reduction each link two positions when a relation holds on every axis: a product.
A sum of mixers links where either does: a union. What two layers link is the composition. Products compose axis by
axis, so grids far too large for a (T, T) matrix stay exact: at 256 x 256 an axis is a matrix of 256 x 256.

Letters: S grid axes, T = prod(S) positions. In every matrix the row reads the column.
Source: Iwin (arXiv 2507.18405) lemma 2 and theorem 3, with the reach of a K-wide convolution as (K - 1) / 2 a side.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import prod
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from vitrail.geometry.windows import Windows

Term = tuple[Tensor, ...]


@runtime_checkable
class Linked(Protocol):
    """A layer that states which position of a grid of `size`, (*S), reads which."""

    def links(self, size: tuple[int, ...]) -> Links: ...


@dataclass(frozen=True, eq=False)
class Links:
    """A union of `terms`; a term holds one boolean matrix (S_a, S_a) for each axis a and links where all of them do."""

    terms: tuple[Term, ...]

    def __or__(self, other: Links) -> Links:
        return Links(_absorb(self.terms + other.terms))

    def then(self, later: Links) -> Links:
        """The links of this layer followed by `later`."""
        return Links(
            _absorb(
                tuple(
                    tuple(_compose(b, a) for a, b in zip(first, second, strict=True))
                    for first in self.terms
                    for second in later.terms
                )
            )
        )

    def dense(self) -> Tensor:
        """(T, T) boolean, positions row-major."""
        total = torch.zeros((), dtype=torch.bool)
        for term in self.terms:
            matrix = torch.ones((1, 1), dtype=torch.bool)
            for axis in term:
                matrix = (matrix[:, None, :, None] & axis[None, :, None, :]).flatten(2).flatten(0, 1)
            total = total | matrix
        return total

    def share(self) -> float:
        """The share of the T·T pairs that are linked, in [0, 1]."""
        if len(self.terms) > 60:  # a term is a bit of an int64
            return self.dense().double().mean().item()
        found: list[list[tuple[int, int]]] = []
        for axis in zip(*self.terms, strict=True):
            code = sum(matrix.long() << bit for bit, matrix in enumerate(axis))
            values, counts = torch.unique(code, return_counts=True)
            found.append(list(zip(values.tolist(), counts.tolist(), strict=True)))
        linked = pairs = 0
        for combination in itertools.product(*found):
            count = prod(number for _, number in combination)
            common = -1
            for value, _ in combination:
                common &= value
            pairs += count
            linked += count if common else 0
        return linked / pairs

    @property
    def everywhere(self) -> bool:
        """True when each position reads every position."""
        return self.share() == 1.0


def links_of(layer: object, size: tuple[int, ...]) -> Links:
    """The links that a layer states. Raises: TypeError if it states none."""
    if not isinstance(layer, Linked):
        raise TypeError(f"{type(layer).__name__} states no links; give it a method links(size) -> Links.")
    return layer.links(size)


def window_links(windows: Windows, shape: tuple[int, ...]) -> Links:
    """Who shares a window, and is not kept apart by a shift that wrapped one of them round."""
    term = []
    for a in windows.axes(shape):
        place = torch.arange(a.length) + a.front
        slot = (place - a.roll) % a.padded
        window = slot % a.windows if windows.interleaved else slot // a.tokens
        same = torch.stack([window, (place < a.roll).long()])
        term.append((same[:, :, None] == same[:, None, :]).all(0))
    return Links((tuple(term),))


def near_links(shape: tuple[int, ...], before: int | tuple[int, ...], after: int | tuple[int, ...]) -> Links:
    """Everybody from `before` positions earlier to `after` later: a convolution, a sliding window.

    Args:
        before, after: For all axes, or one for each.
    """
    term = []
    befores, afters = ((n,) * len(shape) if isinstance(n, int) else n for n in (before, after))
    for length, first, last in zip(shape, befores, afters, strict=True):
        offset = torch.arange(length)[None, :] - torch.arange(length)[:, None]
        term.append((offset >= -first) & (offset <= last))
    return Links((tuple(term),))


def all_links(shape: tuple[int, ...]) -> Links:
    """Everybody reads everybody."""
    return Links((tuple(torch.ones(length, length, dtype=torch.bool) for length in shape),))


def self_links(shape: tuple[int, ...]) -> Links:
    """Everybody reads themselves alone: a residual path, a norm, an MLP."""
    return Links((tuple(torch.eye(length, dtype=torch.bool) for length in shape),))


def _compose(second: Tensor, first: Tensor) -> Tensor:
    identity = torch.eye(first.shape[0], dtype=torch.bool)
    if torch.equal(first, identity):
        return second
    if torch.equal(second, identity):
        return first
    counts = second.sum(1)
    if not counts.numel() or counts.min() == 0 or 8 * counts.max() > len(counts):
        return second.float() @ first.float() > 0
    rows, columns = second.nonzero(as_tuple=True)  # few a row: the rows that each reads, put together
    starts = counts.cumsum(0) - counts
    read = columns[starts][:, None].repeat(1, int(counts.max()))
    read[rows, torch.arange(len(rows)) - starts[rows]] = columns
    return first[read].any(1)


def _absorb(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """The terms that no other term contains."""
    kept: list[Term] = []
    for term in terms:
        if any(_inside(term, other) for other in kept):
            continue
        kept = [other for other in kept if not _inside(other, term)]
        kept.append(term)
    return tuple(kept)


def _inside(term: Term, other: Term) -> bool:
    borders = ((a[:: max(len(a) - 1, 1)], b[:: max(len(b) - 1, 1)]) for a, b in zip(term, other, strict=True))
    if not all(bool((a <= b).all()) for a, b in borders):
        return False  # terms of many blocks differ at the border, if anywhere: two rows tell most apart
    return all(bool((a <= b).all()) for a, b in zip(term, other, strict=True))
