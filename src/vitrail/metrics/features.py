"""How far made pictures are from real ones, by vectors that a network gives of each picture.

Letters: N real pictures, M made ones, D numbers of a vector, K classes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

CHUNK = 512  # vectors whose distances to all others are in memory together
MOST = 10_000  # real vectors that are compared one by one, as many as ADM's set of real pictures has
SLACK = 1e-12  # of the squared lengths: a hundred times what rounding was seen to do with 2048 numbers


class Moments(NamedTuple):
    """The mean (D,) and the covariance (D, D) of vectors, float64."""

    mean: Tensor
    spread: Tensor


def frechet(real: Tensor, made: Tensor) -> float:
    """|μ - ν|² + tr(S + T - 2 (S T)^½) of the means and covariances of two sets of vectors, (N, D) and (M, D).

    Source: arXiv 1706.08500 eq. 6, there of Inception's features.
    Raises: ValueError for fewer than two vectors.
    """
    if min(len(real), len(made)) < 2:
        raise ValueError(f"frechet wants two vectors or more of each; got {len(real)} and {len(made)}.")
    return distance(moments(real), moments(made))


def distance(one: Moments, other: Moments) -> float:
    """|μ - ν|² + tr(S + T - 2 (S T)^½) of two means and covariances.

    In float64; by the eigenvalues of the symmetric S^½ T S^½, which has those of S T and no imaginary rest.
    """
    (mean, spread), (other_mean, other_spread) = one, other
    values, vectors = torch.linalg.eigh(spread)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    both = torch.linalg.eigvalsh(root @ other_spread @ root).clamp(min=0).sqrt().sum()
    found = (mean - other_mean).square().sum() + spread.trace() + other_spread.trace() - 2 * both
    return max(float(found), 0.0)


def precision_recall(real: Tensor, made: Tensor, neighbours: int = 3) -> tuple[float, float]:
    """The share of made vectors within reach of a real one, and the share of real ones within reach of a made one.

    A vector's reach is the distance to its third neighbour in its own set, which still counts as within; (N, D) and
    (M, D), in float64. Of more than 10 000 real ones so many are taken, evenly spaced; of the made ones all, as ADM
    does with its 10 000 real ones.
    Source: improved precision and recall (arXiv 1904.06991), with ADM's three neighbours.
    Raises: ValueError for no more vectors than neighbours.
    """
    if min(len(real), len(made)) <= neighbours:
        raise ValueError(f"precision_recall wants more than {neighbours} vectors; got {len(real)} and {len(made)}.")
    real, made = _some(real).double(), made.double()
    middle = real.mean(0)  # near 0 the products of `_distances` lose least
    real, made = real - middle, made - middle
    reach, others = _reach(real, neighbours), _reach(made, neighbours)
    precise, recalled = 0, torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for part, own in zip(made.split(CHUNK), others.split(CHUNK), strict=True):
        distances, slack = _distances(part, real)
        distances -= slack
        precise += int((distances <= reach).any(1).sum())
        recalled |= (distances <= own[:, None]).any(0)
    return precise / len(made), int(recalled.sum()) / len(real)


def score(shares: Tensor, split: int = 5000) -> float:
    """exp of the mean divergence of each picture's classes, (M, K) rows adding to 1, from those of all: 1 to K.

    The mean over parts of `split` pictures each, in order, the last one shorter; in float64.
    Source: arXiv 1606.03498, in ADM's parts of 5000.
    """
    found = []
    for part in shares.double().split(split):
        whole = part.mean(0, keepdim=True)
        divergence = torch.special.xlogy(part, part) - torch.special.xlogy(part, whole)  # a class that none has adds 0
        found.append(float(divergence.sum(1).mean().exp()))
    return sum(found) / len(found) if found else math.nan


def moments(vectors: Tensor) -> Moments:
    """Of vectors, (N, D), two or more."""
    mean = vectors.mean(0, dtype=torch.float64)
    spread = torch.zeros(len(mean), len(mean), dtype=torch.float64, device=vectors.device)
    for part in vectors.split(CHUNK):
        rest = part.double() - mean
        spread += rest.T @ rest
    return Moments(mean, spread / (len(vectors) - 1))


def _some(vectors: Tensor) -> Tensor:
    """`MOST` of them, evenly spaced, or all of fewer."""
    places = torch.linspace(0, len(vectors) - 1, min(MOST, len(vectors)), dtype=torch.float64).round().long()
    return vectors[places.to(vectors.device)]


def _reach(vectors: Tensor, neighbours: int) -> Tensor:
    """The squared distance of each to its neighbour of that number, itself not counted, (N,)."""
    parts = [_distances(part, vectors)[0].kthvalue(neighbours + 1, dim=1).values for part in vectors.split(CHUNK)]
    return torch.cat(parts)


def _distances(vectors: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Squared, (n, N), by products, a fifteenth of the time of differences; and what their rounding may come to."""
    sizes = vectors.square().sum(1)[:, None] + others.square().sum(1)
    return torch.addmm(sizes, vectors, others.T, alpha=-2).clamp_(min=0), SLACK * sizes
