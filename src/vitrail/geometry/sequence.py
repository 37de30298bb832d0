"""A line of tokens of which each looks back only: who reads whom, and after how many blocks the whole past is reached.

Letters: N tokens of the line, G windows (every G-th token shares one), W tokens that the near part of a block reads,
its own included: the width of a sliding window, or the taps of a causal convolution.
Source: Iwin (arXiv 2507.18405) figure 10, which sketches it; stride, reach and counts are ours.
"""

from __future__ import annotations

from math import isqrt
from typing import Literal

from vitrail.geometry.links import Links, near_links, window_links
from vitrail.geometry.windows import Windows

Stride = int | Literal["sqrt"]


def stride_at(stride: Stride, length: int) -> int:
    """G for a line of `length` tokens: the number itself, or with "sqrt" the root of the length, rounded up."""
    return isqrt(max(length, 1) - 1) + 1 if stride == "sqrt" else stride


def lanes(count: int) -> Windows:
    """Interleaved windows of a line: token i is in window i mod G, at place i // G, so of ceil(N / G) tokens each.

    What fills the last places up stands behind every token: who only looks back never meets it, and no mask is made.
    """
    return Windows((count,), interleaved=True, by="count")


def causal_links(length: int, stride: int, near: int = 1) -> Links:
    """One block on N tokens: token i reads j <= i with j = i (mod G), and i - W < j <= i."""
    (far,), (past,) = window_links(lanes(stride), (length,)).terms[0], near_links((length,), length, 0).terms[0]
    return Links(((far & past,),)) | near_links((length,), near - 1, 0)


def blocks_until_reached(stride: int, near: int, length: int) -> int:
    """After how many blocks each of N tokens depends on all of its past.

    A block takes one step: by a multiple of G, or by W - 1 at most. One step of the first kind is never too short, so
    over a distance d it takes ceil(d / (W - 1)) near steps, or one far one and ceil((d mod G) / (W - 1)), whichever
    is less. W >= G makes it 2.
    Args:
        near: W; 1 for none.
    Raises: ValueError where no number of blocks does it: G above 1 and nothing near.
    """
    if length <= 1:
        return min(length, 1)
    if stride == 1 or near >= length:
        return 1
    if near < 2:
        raise ValueError(f"stride={stride} without a near part of 2 tokens or more never leaves its own residue class.")
    step = near - 1
    far = (-(-(d % stride) // step) + 1 if d >= stride else length for d in range(1, length))
    return max(min(-(-d // step), other) for d, other in enumerate(far, start=1))
