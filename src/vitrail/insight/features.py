"""What blocks give: their maps, the mean over channels, and the principal components over positions.

Letters: B pictures, C channels, h x w positions, P components.
Source: the feature maps of ScalableViT (arXiv 2203.10790) figures 1 and 7, after blocks 2, 4 and 24 of 26.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vitrail.errors import InputError
from vitrail.insight.watching import noting, still
from vitrail.models.assemble import Network
from vitrail.pyramid import Pyramid, Stage


@torch.no_grad()
def features(model: nn.Module, pictures: Tensor, blocks: Sequence[int]) -> list[Tensor]:
    """The maps after blocks, numbered through the whole network.

    Args:
        model: A network of iwin, swin or scalablevit; it is left as it was.
        pictures: (B, C_in, H, W).
        blocks: From 1, the first block of the first stage, to the number of blocks.
    Returns:
        For each block (B, C, h, w), float32.
    Raises: InputError for a number that no block has, or a network whose blocks are not known.
    """
    name = getattr(model, "name", type(model).__name__)
    if not isinstance(model, Network) or not isinstance(getattr(model, "trunk", None), Pyramid):
        raise InputError(f"{name}: vitrail does not know its blocks, so there are no features of them to show.")
    every = model.blocks()
    for number in blocks:
        if not 1 <= number <= len(every):
            raise InputError(f"{name} has blocks 1 to {len(every)}, and no block {number}.")
    if not blocks:
        return []
    chosen = [every[number - 1] for number in blocks]
    at = next(model.parameters())
    with still(model), noting(chosen) as noted:
        model.trunk(pictures.to(at.device, at.dtype))
    return [noted[block].movedim(-1, 1).float() for block in chosen]


def stage_of(model: Network, block: int) -> int:
    """The stage, from 1, of a block numbered from 1 through the network."""
    below = 0
    for number, stage in enumerate(model.trunk.stages, start=1):
        assert isinstance(stage, Stage)
        below += len(stage.blocks)
        if block <= below:
            return number
    raise IndexError(block)


def components(maps: Tensor, count: int = 3) -> tuple[Tensor, Tensor]:
    """The first principal components of the channels, over the positions of all pictures together.

    Args:
        maps: (B, C, h, w).
        count: P; of fewer channels the others are 0.
    Returns:
        (B, P, h, w), each of mean 0, turned so that its largest loading is positive; and the share of the variance
        that each holds, (P,), 0 where nothing varies.
    """
    rows = maps.movedim(1, -1).flatten(0, -2).double()
    rows = rows - rows.mean(0)
    values, vectors = torch.linalg.eigh(rows.T @ rows)
    values, vectors = values.flip(0)[:count].clamp_min(0), vectors.flip(1)[:, :count]
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    found = rows @ (vectors * largest.sign())
    shares = values / rows.square().sum().clamp_min(torch.finfo(rows.dtype).tiny)
    missing = count - found.shape[1]
    found, shares = (torch.nn.functional.pad(t, (0, missing)) for t in (found, shares))
    return found.view(len(maps), *maps.shape[2:], count).movedim(-1, 1).float(), shares
