"""The fast move into windows and back against the plain one: values, gradients, masks, padding."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from vitrail.geometry.windows import Windows
from vitrail.kernels import moves
from vitrail.mixers import WindowAttention, window

GRIDS = [((3, 2), (5, 7)), ((7, 7), (5, 6)), ((2, 2), (4, 6)), ((3,), (10,)), ((2, 3, 2), (3, 7, 5)), ((4, 3), (1, 1))]


def mix(tokens: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Every slot matters, and so does its place."""
    n = tokens.shape[1]
    weight = torch.sin(torch.arange(n * n, dtype=tokens.dtype)).view(n, n).expand(tokens.shape[0], n, n)
    if mask is not None:
        weight = weight * mask.repeat(tokens.shape[0] // mask.shape[0], 1, 1)
    return weight @ (tokens + 1), tokens * 2


@pytest.mark.parametrize(("size", "shape"), GRIDS)
def test_it_is_the_plain_one(size, shape):
    generator, count = torch.Generator().manual_seed(0), 0
    for interleaved, padding, by, wrap, shifted in itertools.product(
        (False, True), ("seen", "masked"), ("size", "count"), (True, False), (True, False)
    ):
        shift = tuple(m // 2 for m in size) if shifted else None
        windows = Windows(size, interleaved, shift, padding, by, wrap)
        try:
            windows.axes(shape)
        except ValueError:  # a shift as large as a window by count
            continue
        x = torch.randn(2, *shape, 4, dtype=torch.float64, generator=generator, requires_grad=True)
        plain, fast = windows.apply(mix, x), moves.apply(windows, mix, x)
        assert all(torch.equal(a, b) for a, b in zip(plain, fast, strict=True)), windows
        one, two = (torch.autograd.grad(sum((t**2).sum() for t in y), x)[0] for y in (plain, fast))
        torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)
        mask, rows = windows.mask(shape), moves.rows_of(windows, shape, x.device)
        assert (mask is None) == (rows.mask is None)
        assert mask is None or torch.equal(mask, rows.mask)
        count += 1
    assert count >= 20


def test_rows_kept_from_inference_serve_training():
    windows, x = Windows((3, 2), shift=(1, 1)), torch.randn(1, 4, 5, 3, requires_grad=True)
    with torch.inference_mode():
        moves.apply(windows, lambda tokens, mask: tokens, x)
    moves.apply(windows, lambda tokens, mask: tokens, x).sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_a_second_gradient():
    x = torch.randn(1, 3, 4, 2, dtype=torch.float64, requires_grad=True)
    windows = Windows((2, 3), interleaved=True)
    assert torch.autograd.gradgradcheck(lambda x: moves.apply(windows, lambda t, mask: t**3, x), x)


@pytest.mark.parametrize(
    "options", [{}, {"bias": True}, {"local": "map"}, {"local": "window"}, {"qkv_bias": False}], ids=str
)
@pytest.mark.parametrize("padding", ["seen", "masked"])
@pytest.mark.parametrize("shift", [None, (1, 2)])
def test_projected_before_or_inside_is_the_same(options, padding, shift, monkeypatch):
    torch.manual_seed(0)
    mixer = WindowAttention(8, 2, Windows((3, 4), shift=shift, padding=padding), **options).double()
    if mixer.qkv.bias is not None:
        torch.nn.init.normal_(mixer.qkv.bias)
    x = torch.randn(2, 5, 7, 8, dtype=torch.float64, requires_grad=True)
    found = []
    for limit in (float("inf"), -float("inf")):
        monkeypatch.setattr(window, "PER_CHANNEL", limit)
        y = mixer(x)
        found.append([y, *torch.autograd.grad(y.square().sum(), [x, *mixer.parameters()])])
    for inside, before in zip(*found, strict=True):
        torch.testing.assert_close(inside, before, rtol=1e-12, atol=1e-12)
