from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vitrail.layers import linear as module
from vitrail.layers.linear import Linear, linear

SHAPES = [(5, 7), (2, 3, 4, 8), (1, 1, 16)]


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)])
def test_one_pass_equals_the_plain_steps(dtype, limit, shape, bias, gelu):
    torch.manual_seed(0)
    x, layer = torch.randn(shape), Linear(shape[-1], 12, bias, gelu)
    plain = F.linear(x.double(), layer.weight.double(), layer.bias.double() if bias else None)
    plain = F.gelu(plain) if gelu else plain
    layer, x = layer.to(dtype), x.to(dtype)
    with torch.no_grad():
        assert module._fuses(x, layer.weight)
        y = layer(x)
    assert y.dtype == dtype
    assert (y - plain).abs().max() <= 2 * limit * max(1.0, plain.abs().max().item())
    steps = layer(x)  # with gradients: the plain steps
    assert steps.requires_grad
    assert (y - steps).abs().max() <= 2 * limit * max(1.0, plain.abs().max().item())


@torch.no_grad()
def test_tokens_need_not_be_contiguous():
    x = torch.randn(2, 5, 6, 8).permute(0, 2, 1, 3)
    weight, bias = torch.randn(3, 8), torch.randn(3)
    torch.testing.assert_close(linear(x, weight, bias, gelu=True), F.gelu(F.linear(x, weight, bias)))


def test_nothing_is_fused_where_somebody_watches():
    x, weight = torch.randn(2, 4), torch.randn(3, 4)
    assert not module._fuses(x, weight)  # gradients
    with torch.no_grad():
        assert not module._fuses(x.double(), weight.double())
        assert not module._fuses(x.to("meta"), weight.to("meta"))
        with torch.autocast("cpu", torch.bfloat16):
            assert not module._fuses(x, weight)
        with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
            Linear(4, 3)(x)
        assert counter.get_total_flops() == 2 * 2 * 4 * 3


def test_gradients_are_those_of_the_plain_steps():
    x, layer = torch.randn(4, 6, requires_grad=True), Linear(6, 5, gelu=True)
    layer(x).square().sum().backward()
    found = [x.grad, layer.weight.grad, layer.bias.grad]
    again = x.detach().clone().requires_grad_()
    weight, bias = layer.weight.detach().requires_grad_(), layer.bias.detach().requires_grad_()
    expected = torch.autograd.grad(F.gelu(F.linear(again, weight, bias)).square().sum(), [again, weight, bias])
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)
