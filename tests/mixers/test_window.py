"""Every window mixer equals dense attention under the mask its windows imply, with both paddings."""

from __future__ import annotations

import pytest
import torch

from oracle import dense_attention
from vitrail.geometry.windows import Windows
from vitrail.mixers import WindowAttention

LAYOUTS = [
    ((7,), Windows((3,))),
    ((10,), Windows((4,), interleaved=True)),
    ((9,), Windows((4,), interleaved=True, by="count")),
    ((5, 7), Windows((3, 3))),
    ((5, 7), Windows((3, 2), interleaved=True)),
    ((5, 7), Windows((3, 3), shift=(1, 2))),
    ((5, 7), Windows((3, 3), shift=(1, 1), wrap=False)),
    ((4, 6), Windows((2, 3), shift=(1, 1), interleaved=True)),
    ((2, 3), Windows((4, 4), shift=(2, 2))),
    ((3, 4, 5), Windows((2, 2, 3))),
    ((3, 4, 5), Windows((2, 2, 3), shift=(1, 0, 1))),
    ((2, 5, 3), Windows((2, 2, 2), interleaved=True)),
]


def mixer(windows: Windows, **switches) -> WindowAttention:
    torch.manual_seed(0)
    module = WindowAttention(8, 2, windows, **switches).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)  # so that a wrong bias, mask or padding shows
    return module


@pytest.mark.parametrize("padding", ["seen", "masked"])
@pytest.mark.parametrize(("shape", "windows"), LAYOUTS)
def test_equals_dense_attention(shape, windows, padding):
    windows = Windows(**{**vars(windows), "padding": padding})
    module = mixer(windows, bias="count" not in windows.kinds)
    x = torch.randn(2, *shape, 8, dtype=torch.float64)
    torch.testing.assert_close(module(x), dense_attention(module, x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("padding", ["seen", "masked"])
@pytest.mark.parametrize(
    "switches",
    [
        {"local": "map"},
        {"local": "window"},
        {"local": "map", "bias": True, "local_kernel": 5},
        {"bias": True, "product": False},
        {"qkv_bias": False},
        {"qkv_bias": False, "local": "map"},
    ],
)
@pytest.mark.parametrize(
    "windows",
    [
        Windows((3, 3)),
        Windows((3, 3), shift=(1, 1)),
        Windows((3, 2), interleaved=True),
        Windows((3, 3), shift=(1, 2), wrap=False),
    ],
)
def test_switches_equal_dense_attention(windows, switches, padding):
    module = mixer(Windows(**{**vars(windows), "padding": padding}), **switches)
    x = torch.randn(2, 5, 7, 8, dtype=torch.float64)
    torch.testing.assert_close(module(x), dense_attention(module, x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", [(6, 9), (5, 7)])
def test_padding_in_place_of_the_cyclic_shift_is_the_same_function(shape):
    """Swin table 5: two ways to do one thing, once padding is masked."""
    cyclic = mixer(Windows((3, 3), shift=(1, 2), padding="masked"), bias=True)
    padded = mixer(Windows((3, 3), shift=(1, 2), padding="masked", wrap=False), bias=True)
    x = torch.randn(2, *shape, 8, dtype=torch.float64)
    torch.testing.assert_close(cyclic(x), padded(x), rtol=1e-12, atol=1e-12)


def test_a_masked_window_larger_than_the_grid_is_global_attention():
    module = mixer(Windows((9, 9), padding="masked"))
    whole = mixer(Windows((3, 5)))
    x = torch.randn(1, 3, 5, 8, dtype=torch.float64)
    torch.testing.assert_close(module(x), whole(x), rtol=1e-12, atol=1e-12)


def test_a_head_count_that_does_not_divide_names_its_neighbours():
    with pytest.raises(ValueError, match="heads=5 does not divide dim=96; divisors near 5 are 4 and 6."):
        WindowAttention(96, 5, Windows((7, 7)))


@pytest.mark.parametrize("switches", [{"product": False}, {"bias": True, "windows": Windows((4,), by="count")}])
def test_impossible_switches_are_refused(switches):
    with pytest.raises(ValueError, match="needs"):
        WindowAttention(8, 2, **{"windows": Windows((3, 3)), **switches})
