"""A block of a transformer that makes pictures of texts, with any mixer in the place of its self-attention.

Letters: B batch, N tokens of a grid, C channels, L words, C_t their channels, h heads, D width of a head.
Source: the order self, cross, MLP and what time moves are PixArt-α's (arXiv 2310.00426, section 2.3); FlashDiT (arXiv
2507.18405, section IV-E) proposes its mixer as such a replacement and shows none with texts.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from vitrail.geometry.windows import Windows
from vitrail.layers.adaln import Modulation, modulate
from vitrail.layers.feedforward import SwiGLU
from vitrail.layers.rms import RMSNorm
from vitrail.mixers import DepthwiseConv, OnGrid, Sum, WindowAttention
from vitrail.mixers.heads import head_width

PARTS = ("shift", "scale", "gate", "shift_mlp", "scale_mlp", "gate_mlp")


def flash_mixer(dim: int, heads: int, window: int = 4, kernel: int = 3) -> Sum:
    """FlashDiT's mixer without gates: interleaved windows beside a depthwise convolution, (B, H, W, C) -> the same."""
    windows = Windows((window, window), interleaved=True, padding="masked")
    return Sum(WindowAttention(dim, heads, windows), DepthwiseConv(dim, kernel))


class CrossAttention(nn.Module):
    """Multi-head attention of tokens to words: softmax(q k^T / sqrt(D)) v, queries from x, keys and values from text.

    Raises: ValueError if `heads` does not divide `dim`.
    """

    def __init__(self, dim: int, heads: int, text_dim: int):
        super().__init__()
        head_width(dim, heads)
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(text_dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, text: Tensor, mask: Tensor | None = None) -> Tensor:
        """x (B, N, C), text (B, L, C_t), mask (B, L) True where a word stands -> (B, N, C).

        A sample without a word reads nothing: attention gives zeros for it.
        """
        q = self.q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, h, N, D)
        k, v = self.kv(text).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        if mask is None:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            some = mask.any(1)[:, None, None, None]
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None] | ~some)
            y = y * some
        return self.proj(y.transpose(1, 2).flatten(2))


class TextBlock(nn.Module):
    """Self, cross, MLP, each after a norm and beside a residual; time shifts, scales and gates the first and the last.

    Args:
        mixer: What stands for self-attention: (B, H, W, C) -> the same, any H and W, such as `flash_mixer`'s.
        heads: Of the attention to the text.
    """

    def __init__(self, dim: int, heads: int, text_dim: int, mixer: nn.Module):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (RMSNorm(dim, 1e-6) for _ in range(3))
        self.mixer = mixer
        self.cross = CrossAttention(dim, heads, text_dim)
        self.mlp = SwiGLU(dim, 8 * dim // 3)
        self.modulation = Modulation(dim, PARTS)

    def forward(self, x: Tensor, grid: tuple[int, int], text: Tensor, mask: Tensor | None, condition: Tensor) -> Tensor:
        """x (B, N, C) with N = prod(grid), row-major; text (B, L, C_t); mask (B, L); condition (B, C) -> (B, N, C).

        Raises: ValueError for another N.
        """
        m = {name: vector.flatten(1, 2) for name, vector in self.modulation(condition).items()}  # (B, 1, C)
        x = x + m["gate"] * OnGrid(self.mixer, grid)(modulate(self.norm1(x), m["scale"], m["shift"]))
        x = x + self.cross(self.norm2(x), text, mask)
        return x + m["gate_mlp"] * self.mlp(modulate(self.norm3(x), m["scale_mlp"], m["shift_mlp"]))
