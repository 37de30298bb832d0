from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from vitrail.mixers import ScalableAttention


@pytest.mark.parametrize("ratio", [0.5, 1.25, 1.0])
@pytest.mark.parametrize(("shape", "reduction"), [((4, 6), 2), ((5, 7), 2), ((3, 3), 4), ((3, 4), 1)])
def test_equals_the_equations(shape, reduction, ratio):
    """q of the map, k and v of the reduced map; the scale follows r_c even where nothing is reduced."""
    torch.manual_seed(0)
    dim, heads = 16, 2
    module = ScalableAttention(dim, heads, ratio, reduction).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(2, *shape, dim, dtype=torch.float64)
    q = module.q(x).flatten(1, 2)
    if reduction == 1:
        k, v = module.kv(x).flatten(1, 2).split(dim, -1)
    else:
        assert q.shape[-1] == int(dim * ratio)
        padded = F.pad(x, (0, 0, 0, -shape[1] % reduction, 0, -shape[0] % reduction)).movedim(-1, 1)
        patches = F.unfold(padded, reduction, stride=reduction).unflatten(1, (dim, -1))  # (B, C, s², R)
        small = torch.einsum("bcpr,cp->brc", patches, module.reduce.weight.flatten(1)) + module.reduce.bias
        small = small @ module.expand.weight[:, :, 0, 0].T + module.expand.bias
        small = F.gelu(F.layer_norm(small, small.shape[-1:], module.norm.weight, module.norm.bias, 1e-5))
        k, v = module.k(small), module.v(small)
    parts = []
    for q_, k_, v_ in zip(q.chunk(heads, -1), k.chunk(heads, -1), v.chunk(heads, -1), strict=True):
        weights = (q_ @ k_.transpose(1, 2) / (dim / heads * ratio) ** 0.5).softmax(-1)
        parts.append(weights @ v_)
    expected = module.proj(torch.cat(parts, -1)).unflatten(1, shape)
    torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-10)


def test_a_scaled_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="heads=4 does not divide int"):
        ScalableAttention(16, 4, 1.125, 2)
