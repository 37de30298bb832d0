from __future__ import annotations

import pytest
import torch

from vitrail.kernels.attention import fused_attention, plain_attention


@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("value_width", [4, 3])
def test_fused_equals_plain_with_gradients(with_bias, with_mask, value_width):
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)  # noqa: E731
    q, k, v = draw(6, 2, 5, 4), draw(6, 2, 5, 4), draw(6, 2, 5, value_width)
    bias = draw(2, 5, 5) if with_bias else None
    mask = (torch.rand(3, 5, 5, generator=generator) < 0.5) | torch.eye(5, dtype=torch.bool) if with_mask else None
    inputs = [q, k, v] + ([bias] if with_bias else [])
    results = []
    for attention in (plain_attention, fused_attention):
        y = attention(q, k, v, 0.7, bias, mask)
        results.append([y, *torch.autograd.grad(y.square().sum(), inputs)])
    for plain, fused in zip(*results, strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
@torch.no_grad()
def test_sixteen_bits_on_a_cpu(with_bias, with_mask):
    """From 256 windows and heads on, two batched products; both sides of that line agree with 64 bits."""
    generator = torch.Generator().manual_seed(0)
    for pictures in (1, 40):
        q, k, v = torch.randn(3, 4 * pictures, 2, 9, 8, generator=generator).bfloat16()
        bias = torch.randn(2, 9, 9, generator=generator).bfloat16() if with_bias else None
        mask = (torch.rand(4, 9, 9, generator=generator) < 0.5) | torch.eye(9, dtype=torch.bool) if with_mask else None
        y = fused_attention(q, k, v, 0.3, bias, mask)
        exact = plain_attention(q.double(), k.double(), v.double(), 0.3, None if bias is None else bias.double(), mask)
        assert y.dtype == torch.bfloat16
        assert (y - exact).abs().max() < 2e-2 * exact.abs().max()


def test_windows_are_the_fast_axis_of_the_batch():
    """The mask of window g goes to g of each picture."""
    v = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 2, 1) + torch.tensor([0.0, 10.0]).reshape(1, 1, 2, 1)
    own = torch.eye(2, dtype=torch.bool)
    mask = torch.stack([own, torch.ones(2, 2, dtype=torch.bool)])
    y = fused_attention(torch.zeros(4, 1, 2, 1), torch.zeros(4, 1, 2, 1), v, 1.0, mask=mask)
    assert y[0, 0, :, 0].tolist() == [0.0, 10.0]
    assert y[2, 0, :, 0].tolist() == [2.0, 12.0]
    assert y[1, 0, :, 0].tolist() == [6.0, 6.0]
