"""A block with texts: FlashDiT's mixer, or any other, in the place of self-attention."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vitrail.mixers import RotaryAttention
from vitrail.models.text_block import CrossAttention, TextBlock, flash_mixer

B, GRID, C, L, WORDS = 2, (4, 6), 16, 5, 12
N = GRID[0] * GRID[1]
MIXERS = {"flash": lambda: flash_mixer(C, 2, window=2), "rotary": lambda: RotaryAttention(C, 2)}
MASK = torch.tensor([[True, True, False, True, False], [True, True, True, True, True]])


def filled(module: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return module.double()


def asked(seed: int = 1, grid: tuple[int, int] = GRID) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, words and a condition."""
    drawn = torch.Generator().manual_seed(seed)
    shapes = ((B, grid[0] * grid[1], C), (B, L, WORDS), (B, C))
    x, text, condition = (torch.randn(shape, generator=drawn, dtype=torch.float64) for shape in shapes)
    return x, text, condition


@pytest.mark.parametrize("mask", [None, MASK], ids=["no_mask", "mask"])
def test_cross_attention_is_torchs(mask):
    cross = filled(CrossAttention(C, 4, WORDS))
    theirs = nn.MultiheadAttention(C, 4, kdim=WORDS, vdim=WORDS, batch_first=True).double()
    k, v = cross.kv.weight.chunk(2)
    with torch.no_grad():
        for name, value in (("q_proj_weight", cross.q.weight), ("k_proj_weight", k), ("v_proj_weight", v)):
            getattr(theirs, name).copy_(value)
        theirs.in_proj_bias.copy_(torch.cat([cross.q.bias, cross.kv.bias]))
        theirs.out_proj.weight.copy_(cross.proj.weight)
        theirs.out_proj.bias.copy_(cross.proj.bias)
    x, text, _ = asked()
    expected, _ = theirs(x, text, text, key_padding_mask=None if mask is None else ~mask)
    torch.testing.assert_close(cross(x, text, mask), expected)


@pytest.mark.parametrize("name", sorted(MIXERS))
def test_shapes_and_gradients(name):
    block = filled(TextBlock(C, 4, WORDS, MIXERS[name]()))
    x, text, condition = asked()
    for given in (x, text, condition):
        given.requires_grad_()
    y = block(x, GRID, text, MASK, condition)
    assert y.shape == x.shape
    (y * torch.randn_like(y)).sum().backward()
    for path, parameter in block.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 1e-9, path
    assert x.grad.flatten(2).any(2).all() and condition.grad.any(1).all()
    assert torch.equal(text.grad.any(2), MASK)  # masked words are read by nobody
    wide = (6, 9)
    x, text, condition = asked(grid=wide)
    assert block(x, wide, text, MASK, condition).shape == x.shape


def test_the_block_is_its_three_parts():
    block = filled(TextBlock(C, 4, WORDS, MIXERS["flash"]()))
    x, text, c = asked()
    mod = (torch.nn.functional.silu(c) @ block.modulation.linear.weight.T + block.modulation.linear.bias)[:, None]
    shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = mod.split(C, -1)
    u = block.norm1(x) * (1 + scale) + shift
    attention = block.mixer.attention(u.unflatten(1, GRID)) + block.mixer.conv(u.unflatten(1, GRID))
    y = x + gate * attention.flatten(1, 2)
    y = y + block.cross(block.norm2(y), text, MASK)
    y = y + gate_mlp * block.mlp(block.norm3(y) * (1 + scale_mlp) + shift_mlp)
    torch.testing.assert_close(block(x, GRID, text, MASK, c), y)


@torch.no_grad()
def test_a_sample_without_words_reads_nothing_and_does_not_fail():
    cross = filled(CrossAttention(C, 4, WORDS))
    x, text, _ = asked()
    mask = torch.stack([MASK[0] & False, MASK[1]])
    y = cross(x, text, mask)
    torch.testing.assert_close(y[0], cross.proj.bias.expand(N, -1))
    torch.testing.assert_close(y[1], cross(x, text)[1])


def test_another_number_of_tokens_is_refused():
    x, text, condition = asked()
    with pytest.raises(ValueError, match="24 tokens came, the grid .3, 5. holds 15"):
        filled(TextBlock(C, 4, WORDS, MIXERS["flash"]()))(x, (3, 5), text, MASK, condition)
    with pytest.raises(ValueError, match="heads=5 does not divide dim=16"):
        CrossAttention(C, 5, WORDS)
