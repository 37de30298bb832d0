from __future__ import annotations

import pytest
import torch

from vitrail.geometry.windows import Windows
from vitrail.mixers import DepthwiseConv, OnGrid, Sum, WindowAttention


def test_tokens_are_laid_on_the_grid_row_major():
    mixer = WindowAttention(8, 2, Windows((2, 2), interleaved=True))
    x = torch.randn(2, 4 * 6, 8)
    assert torch.equal(OnGrid(mixer, (4, 6))(x), mixer(x.reshape(2, 4, 6, 8)).reshape(2, 24, 8))


def test_replaces_the_attention_of_a_timm_block():
    timm = pytest.importorskip("timm")
    vit = timm.create_model(
        "vit_tiny_patch16_224", img_size=64, class_token=False, global_pool="avg", embed_dim=16, depth=2, num_heads=2
    )
    for block in vit.blocks:
        attention = WindowAttention(16, 2, Windows((2, 2), interleaved=True))
        block.attn = OnGrid(Sum(attention, DepthwiseConv(16)), grid=(4, 4))
    logits = vit(torch.randn(2, 3, 64, 64))
    logits.sum().backward()
    assert logits.shape == (2, 1000)
    assert all(torch.isfinite(p.grad).all() for p in vit.blocks.parameters())


def test_another_number_of_tokens_says_what_to_do():
    mixer = OnGrid(DepthwiseConv(8), (4, 4))
    with pytest.raises(ValueError, match="17 tokens came, the grid \\(4, 4\\) holds 16; build the model without class"):
        mixer(torch.randn(1, 17, 8))
    with pytest.raises(ValueError, match="no attention mask"):
        mixer(torch.randn(1, 16, 8), attn_mask=torch.ones(16, 16))
