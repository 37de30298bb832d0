"""Each family starts as its release does."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import vitrail


def convolutions(model: nn.Module) -> list[nn.Conv2d]:
    return [m for m in model.modules() if isinstance(m, nn.Conv2d)]


@pytest.mark.parametrize("name", ["iwin_tiny", "swin_tiny", "scalablevit_small", "dense_iwin_tiny"])
def test_linear_maps_are_normal_with_zero_bias_and_norms_are_one(name):
    torch.manual_seed(0)
    model = vitrail.create_model(name, size=64)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.05)
            assert module.weight.abs().max() > 0.06  # cut at an absolute 2, not at two deviations
            assert module.bias is None or not module.bias.any()
        elif isinstance(module, nn.LayerNorm):
            assert (module.weight == 1).all()
            assert not module.bias.any()


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        # PyTorch's default is uniform in ±1/sqrt(fan in): deviation 1/sqrt(3 fan in)
        ("iwin_tiny", lambda c, fan_in: 1 / math.sqrt(3 * fan_in)),
        ("dense_iwin_tiny", lambda c, fan_in: math.sqrt(2 / fan_in)),
        ("scalablevit_small", lambda c, fan_in: math.sqrt(2 / (math.prod(c.kernel_size) * c.out_channels / c.groups))),
    ],
)
def test_convolutions(name, deviation):
    torch.manual_seed(0)
    for conv in convolutions(vitrail.create_model(name, size=64)):
        fan_in = conv.in_channels // conv.groups * math.prod(conv.kernel_size)
        assert conv.weight.std().item() == pytest.approx(deviation(conv, fan_in), rel=0.15)
        assert bool(conv.bias.any()) == (name == "iwin_tiny")


def test_tables_are_normal():
    model = vitrail.create_model("swin_tiny", size=64, window=4, position="both")
    for name, parameter in model.named_parameters():
        if name.endswith("table"):
            assert parameter.std().item() == pytest.approx(0.02, rel=0.4)
