"""Guidance without a classifier: away from the velocity without a label, along that with it.   B batch, C channels."""

from __future__ import annotations

import torch
from torch import Tensor

from vitrail.flow.loss import Velocity


def guided(
    model: Velocity, x: Tensor, t: Tensor, labels: Tensor, null: int, scale: float, channels: int | None = None
) -> Tensor:
    """none + scale·(label - none) in the first `channels` channels (None: in all), the label's velocity in the others.

    Both are computed in one call on 2B latents, labels first.
    Args:
        x: (B, C, *S).   t: (B,).   labels: (B,) long.
    Source: arXiv 2207.12598. The releases of DiT, LightningDiT and FlashDiT guide three channels, of 4 and of 32.
    """
    none = torch.full_like(labels, null)
    with_label, without = model(torch.cat([x, x]), torch.cat([t, t]), torch.cat([labels, none])).chunk(2)
    count = x.shape[1] if channels is None else channels
    steered = without[:, :count] + scale * (with_label[:, :count] - without[:, :count])
    return torch.cat([steered, with_label[:, count:]], 1)
