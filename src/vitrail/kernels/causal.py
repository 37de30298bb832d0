"""Attention that looks back: over a whole line, or over the last tokens of it. No N x N mask is made.

Letters: P lines, h heads, N tokens of a line, D width of a head, W tokens of the sliding window.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Each token over itself and all before it, scale 1 / sqrt(D): (P, h, N, D) each -> (P, h, N, D)."""
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def recent_attention(q: Tensor, k: Tensor, v: Tensor, width: int) -> Tensor:
    """Each token over the last W, itself included: (P, h, N, D) each -> (P, h, N, D).

    The line is cut into chunks of W queries, each of which sees its own chunk and the one before it under one
    (W, 2W) mask; so memory grows with N, not with N·W. The first chunk has none before it and is plainly causal.
    """
    length = q.shape[2]
    first = causal_attention(*(t[:, :, :width] for t in (q, k, v)))
    if length <= width:
        return first
    q, k, v = (F.pad(t, (0, 0, 0, -length % width)).unflatten(2, (-1, width)) for t in (q, k, v))
    k, v = (torch.cat([t[:, :, :-1], t[:, :, 1:]], 3) for t in (k, v))  # (P, h, chunks - 1, 2W, D)
    behind = torch.arange(width, device=q.device)[:, None] + width - torch.arange(2 * width, device=q.device)
    seen = (behind >= 0) & (behind < width)
    y = F.scaled_dot_product_attention(q[:, :, 1:].flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), attn_mask=seen)
    y = y.unflatten(0, first.shape[:2]).flatten(2, 3)
    return torch.cat([first, y[:, :, : length - width]], 2)
