"""Attention over windows: the plain path that says what is meant, and PyTorch's fused one.

Letters: B batch, G windows, P = B·G (batch slowest), h heads, N tokens of a window, D and E head widths.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def plain_attention(
    q: Tensor, k: Tensor, v: Tensor, scale: float, bias: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """softmax(q k^T scale + bias) v, where tokens the mask keeps apart have weight 0.

    Args:
        q, k: (P, h, N, D).   v: (P, h, N, E).
        bias: (h, N, N), added to the logits.
        mask: (G, N, N) boolean, True where two tokens meet.
    Returns:
        (P, h, N, E).
    """
    logits = (q * scale) @ k.transpose(-2, -1)
    if bias is not None:
        logits = logits + bias
    if mask is not None:
        logits = logits.unflatten(0, (-1, mask.shape[0]))
        logits = logits.masked_fill(~mask[:, None], float("-inf")).flatten(0, 1)
    return logits.softmax(-1) @ v


def fused_attention(
    q: Tensor, k: Tensor, v: Tensor, scale: float, bias: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """`plain_attention` through scaled_dot_product_attention at rank 4, which reaches the fused kernels.

    They want D = E; for other widths it would fall back to a slower form of the plain path, so that is taken instead.
    """
    if q.shape[-1] != v.shape[-1]:
        return plain_attention(q, k, v, scale, bias, mask)
    logits = None if bias is None else bias[None]
    if mask is not None:
        apart = ~mask[:, None]
        logits = mask[:, None] if logits is None else logits.masked_fill(apart, float("-inf"))
        repeat = q.shape[0] // mask.shape[0]
        logits = logits[None].expand(repeat, *logits.shape).flatten(0, 1)
    if logits is not None and logits.dtype.is_floating_point:
        logits = logits.to(q.dtype)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=logits, scale=scale)
