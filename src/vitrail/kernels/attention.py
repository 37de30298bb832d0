"""Attention over windows: the plain path that says what is meant, and PyTorch's fused one.

Letters: B batch, G windows, P = B·G (batch slowest), h heads, N tokens of a window, D and E head widths.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vitrail.tracing import settled


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
    logits = settled(q * scale) @ settled(k.transpose(-2, -1))
    if bias is not None:
        logits = logits + bias
    if mask is not None:
        logits = logits.unflatten(0, (-1, mask.shape[0]))
        logits = logits.masked_fill(~mask[:, None], float("-inf")).flatten(0, 1)
    return logits.softmax(-1) @ settled(v)


def fused_attention(
    q: Tensor, k: Tensor, v: Tensor, scale: float, bias: Tensor | None = None, mask: Tensor | None = None
) -> Tensor:
    """`plain_attention` by the kernel that was measured to be fastest.

    scaled_dot_product_attention at rank 4 reaches the fused kernels, which want D = E; for other widths it would fall
    back to a slower form of the plain path, so that is taken instead. 16-bit inference on a CPU with many small
    windows is faster as two batched products (by 10 to 20 % from 256 windows and heads on).
    """
    if q.shape[-1] != v.shape[-1]:
        return plain_attention(q, k, v, scale, bias, mask)
    logits = _added(q, bias, mask)
    if q.dtype == torch.bfloat16 and q.is_cpu and not torch.is_grad_enabled() and q.shape[0] * q.shape[1] >= 256:
        return _products(q, k, v, scale, logits)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=logits, scale=scale)


def _added(q: Tensor, bias: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """What is added to the logits, broadcastable to (P, h, N, N) and in the type of q; None for nothing."""
    if bias is None and mask is None:
        return None
    logits = q.new_zeros(()) if bias is None else bias.to(q.dtype)
    if mask is None:
        return logits[None]
    windows, batch = mask.shape[0], q.shape[0] // mask.shape[0]
    inner = (*(logits.shape[:-2] or (1,)), *mask.shape[1:])  # (h or 1, N, N)
    mask, logits = mask[:, None].expand(windows, *inner), logits.expand(windows, *inner)
    logits = torch.where(mask, logits, float("-inf"))
    return logits.repeat(batch, 1, 1, 1)


def _products(q: Tensor, k: Tensor, v: Tensor, scale: float, added: Tensor | None) -> Tensor:
    """Attention as two products over P·h matrices."""
    shape = v.shape
    q, k, v = (t.flatten(0, 1) for t in (q, k, v))
    if added is None:
        logits = torch.bmm(q, k.transpose(1, 2)).mul_(scale)
    else:
        added = added.expand(*shape[:2], *added.shape[2:]).flatten(0, 1)
        logits = torch.baddbmm(added, q, k.transpose(1, 2), alpha=scale)
    return torch.bmm(logits.softmax(-1), v).unflatten(0, shape[:2])
