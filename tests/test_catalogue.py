"""One test for every mixer and every family with each of its switches, at width 8 to 16 and depth 1 or 2.

A new mixer is one line in MIXERS, a new family or switch one line in FAMILIES.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn

import vitrail
from oracle import reads
from vitrail.geometry.windows import Windows
from vitrail.layers.relative import RelativeBias
from vitrail.mixers import (
    CausalAttention,
    CausalConv,
    CausalSum,
    DepthwiseConv,
    OnAxes,
    RotaryAttention,
    ScalableAttention,
    SlidingAttention,
    Sum,
    WindowAttention,
    WindowMLP,
)
from vitrail.models.assemble import Backbone, Network
from vitrail.weights import open_model, save

GRID = (4, 5)
C = 8
BLOCK, INTERLEAVED = Windows((2, 3)), Windows((2, 2), interleaved=True)
SHIFTED = Windows((3, 2), shift=(1, 1))

MIXERS = {
    "block": lambda: WindowAttention(C, 2, BLOCK, bias=True),
    "block_masked": lambda: WindowAttention(C, 2, Windows((3, 3), padding="masked")),
    "interleaved": lambda: WindowAttention(C, 2, INTERLEAVED),
    "interleaved_bias": lambda: WindowAttention(C, 2, INTERLEAVED, bias=True),
    "interleaved_by_count": lambda: WindowAttention(C, 2, Windows((2, 2), interleaved=True, by="count")),
    "shifted": lambda: WindowAttention(C, 2, SHIFTED, bias=True),
    "shifted_masked": lambda: WindowAttention(C, 2, Windows((3, 2), shift=(1, 1), padding="masked")),
    "shifted_by_padding": lambda: WindowAttention(C, 2, Windows((3, 2), shift=(1, 1), padding="masked", wrap=False)),
    "without_product": lambda: WindowAttention(C, 2, SHIFTED, bias=True, product=False),
    "lim": lambda: WindowAttention(C, 2, BLOCK, local="map"),
    "lim_shifted": lambda: WindowAttention(C, 2, SHIFTED, local="map"),
    "lim_interleaved": lambda: WindowAttention(C, 2, INTERLEAVED, local="map"),
    "lem": lambda: WindowAttention(C, 2, BLOCK, local="window"),
    "interleaved_over_all_rows": lambda: WindowAttention(C, 2, Windows((1, 3), interleaved=True, by=("count", "size"))),
    "block_of_a_larger_table": lambda: WindowAttention(C, 2, BLOCK, bias=RelativeBias((3, 4), 2, inside=(2, 3))),
    "interleaved_qk_norm": lambda: WindowAttention(C, 2, INTERLEAVED, qk_norm=nn.RMSNorm),
    "rotary": lambda: RotaryAttention(C, 2),
    "rotary_qk_norm": lambda: RotaryAttention(C, 2, nn.RMSNorm),
    "along_rows": lambda: OnAxes(WindowAttention(C, 2, Windows((3,), shift=(1,)), bias=True), (1,)),
    "conv_along_columns": lambda: OnAxes(DepthwiseConv(C, 3, axes=1), (0,)),
    "conv_of_two_kernels": lambda: DepthwiseConv(C, (1, 5)),
    "conv": lambda: DepthwiseConv(C, 3),
    "sum": lambda: Sum(WindowAttention(C, 2, INTERLEAVED), DepthwiseConv(C, 3)),
    "sum_of_three": lambda: Sum(
        WindowAttention(C, 2, INTERLEAVED), DepthwiseConv(C, 1), time=OnAxes(DepthwiseConv(C, 3, axes=1), (0,))
    ),
    "sliding": lambda: SlidingAttention(C, 2, (3, 2)),
    "ssa": lambda: ScalableAttention(C, 2, 1.5, 2),
    "ssa_unreduced": lambda: ScalableAttention(C, 2, 1.25, 1),
    "causal_along_rows": lambda: OnAxes(CausalAttention(C, 2, stride=3, window=2), (1,)),
    "causal_full_along_columns": lambda: OnAxes(CausalAttention(C, 2, rotate=True), (0,)),
    "causal_sum_along_rows": lambda: OnAxes(CausalSum(CausalAttention(C, 2, stride="sqrt"), CausalConv(C, 2)), (1,)),
    "window_mlp": lambda: WindowMLP(C, 2, BLOCK),
    "window_mlp_shifted": lambda: WindowMLP(C, 2, Windows((3, 2), shift=(1, 1), wrap=False)),
}

SMALL: dict[str, Any] = {"depths": (1, 2), "heads": (1, 2), "dim": 8, "window": 3, "mlp_ratio": 2.0}
IWIN = {**SMALL, "kernels": (3, 5)}
SCALABLE = {**SMALL, "depths": (2, 2), "ratios": (1.5, 1.0), "reductions": (2, 1)}

CLIPS: dict[str, Any] = {"depths": (1, 2), "heads": (1, 2), "dim": 8, "frames": 7, "mlp_ratio": 2.0}
VIDEO_IWIN = {**CLIPS, "window": 3, "kernels": (3, 5)}
VIDEO_SWIN = {**CLIPS, "window": (3, 3, 4)}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "iwin": ("iwin_nano", IWIN),
    "iwin_masked": ("iwin_nano", {**IWIN, "padding": "masked"}),
    "iwin_serial": ("iwin_nano", {**IWIN, "structure": "serial"}),
    "iwin_separate": ("iwin_nano", {**IWIN, "structure": "separate"}),
    "iwin_conv_only": ("iwin_nano", {**IWIN, "attention": "none"}),
    "iwin_attention_only": ("iwin_nano", {**IWIN, "conv_stages": ()}),
    "iwin_block_windows": ("iwin_nano", {**IWIN, "attention": "block"}),
    "iwin_block_windows_only": ("iwin_nano", {**IWIN, "attention": "block", "conv_stages": ()}),
    "iwin_down_depthwise": ("iwin_nano", {**IWIN, "down": "depthwise"}),
    "iwin_down_average": ("iwin_nano", {**IWIN, "down": "average"}),
    "iwin_down_merge": ("iwin_nano", {**IWIN, "down": "merge"}),
    "iwin_absolute": ("iwin_nano", {**IWIN, "position": "absolute"}),
    "iwin_relative": ("iwin_nano", {**IWIN, "position": "relative"}),
    "iwin_reach": ("iwin_nano", {**IWIN, "window": "reach"}),
    "iwin_no_qkv_bias_one_channel": ("iwin_nano", {**IWIN, "qkv_bias": False, "in_channels": 1}),
    "iwin_dense": ("dense_iwin_nano", {**IWIN, "conv_stages": (0,)}),
    "swin": ("swin_nano", SMALL),
    "swin_masked": ("swin_nano", {**SMALL, "padding": "masked"}),
    "swin_no_shift": ("swin_nano", {**SMALL, "shift": "none"}),
    "swin_shift_by_padding": ("swin_nano", {**SMALL, "shift": "padding"}),
    "swin_absolute": ("swin_nano", {**SMALL, "position": "absolute"}),
    "swin_both": ("swin_nano", {**SMALL, "position": "both"}),
    "swin_bias_only": ("swin_nano", {**SMALL, "position": "bias_only"}),
    "swin_no_position": ("swin_nano", {**SMALL, "position": "none"}),
    "swin_sliding": ("swin_nano", {**SMALL, "mixer": "sliding"}),
    "swin_mlp": ("swin_nano", {**SMALL, "mixer": "mlp", "position": "none", "shift": "padding"}),
    "swin_dense": ("dense_swin_nano", SMALL),
    "scalablevit": ("scalablevit_nano", SCALABLE),
    "scalablevit_masked": ("scalablevit_nano", {**SCALABLE, "padding": "masked"}),
    "scalablevit_two_layer_head": ("scalablevit_nano", {**SCALABLE, "head": "two_layer", "hidden": 12}),
    "scalablevit_wsa": ("scalablevit_nano", {**SCALABLE, "pattern": ("window",), "local": "none"}),
    "scalablevit_iwsa": ("scalablevit_nano", {**SCALABLE, "pattern": ("window",)}),
    "scalablevit_ssa": ("scalablevit_nano", {**SCALABLE, "pattern": ("ssa",)}),
    "scalablevit_swapped": ("scalablevit_nano", {**SCALABLE, "pattern": ("ssa", "window")}),
    "scalablevit_lem_no_peg": ("scalablevit_nano", {**SCALABLE, "local": "lem", "peg": False}),
    "scalablevit_shifted": (
        "scalablevit_nano",
        {**SCALABLE, "pattern": ("window",), "windows": "shifted", "local": "none", "bias": True},
    ),
    "scalablevit_lim_on_shifted": ("scalablevit_nano", {**SCALABLE, "pattern": ("window",), "windows": "shifted"}),
    "scalablevit_lim_on_interleaved": ("scalablevit_nano", {**SCALABLE, "windows": "interleaved"}),
    "scalablevit_dense": ("dense_scalablevit_nano", SCALABLE),
    "video_iwin": ("video_iwin_nano", VIDEO_IWIN),
    "video_iwin_masked": ("video_iwin_nano", {**VIDEO_IWIN, "padding": "masked"}),
    "video_iwin_interleave": ("video_iwin_nano", {**VIDEO_IWIN, "time": "interleave", "time_window": 3}),
    "video_iwin_kernel": ("video_iwin_nano", {**VIDEO_IWIN, "time": "kernel", "patch_time": 1, "frames": 4}),
    "video_swin": ("video_swin_nano", VIDEO_SWIN),
    "video_swin_corrected": ("video_swin_nano", {**VIDEO_SWIN, "bias": "corrected", "padding": "masked"}),
}

# softmax does not see a constant added to all logits of a query: the bias of the keys, where it stands alone
WITHOUT_GRADIENT = re.compile(r"(^|\.)k\.bias$")
SIZE, OTHERS = (20, 28), ((17, 23), (9, 41))


def filled(module: nn.Module) -> nn.Module:
    """Weights large enough for a wrong connection to show."""
    torch.manual_seed(0)
    for parameter in module.parameters():
        with torch.no_grad():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return module


def built(name: str, **more: Any) -> Network:
    row, overrides = FAMILIES[name]
    torch.manual_seed(0)
    return filled(vitrail.create_model(row, 5, SIZE, **overrides, **more))


def picture(model: Network, size: tuple[int, int] = SIZE, batch: int = 2) -> torch.Tensor:
    shape = (batch, model.spec.in_channels, *model.input_size[:-2], *size)  # of a clip: its frames before H and W
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


def flat(output) -> torch.Tensor:
    """What a model gives, (B, anything)."""
    return torch.cat([m.flatten(1) for m in output], 1) if isinstance(output, list) else output


@pytest.fixture(params=[*MIXERS, *FAMILIES])
def case(request) -> tuple[nn.Module, torch.Tensor]:
    """A mixer or a model, and an input of two samples."""
    if request.param in MIXERS:
        return filled(MIXERS[request.param]()), torch.randn(2, *GRID, C)
    model = built(request.param)
    return model, picture(model)


def test_gradients(case):
    module, x = case
    module, x = module.double(), x.double().requires_grad_()
    y = flat(module(x))
    (y * torch.randn_like(y)).sum().backward()
    assert torch.isfinite(x.grad).all()
    assert x.grad.flatten(1).any(1).all()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 1e-9 or WITHOUT_GRADIENT.search(name), name


@torch.no_grad()
def test_samples_do_not_see_each_other(case):
    module, x = case
    module.eval()
    other = x.clone()
    other[1] = torch.randn_like(other[1])
    before, after = flat(module(x)), flat(module(other))
    assert torch.equal(before[0], after[0])
    assert not torch.equal(before[1], after[1])


@torch.no_grad()
def test_compiles_in_one_graph(case):
    module, x = case
    module.eval()
    torch._dynamo.reset()
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(flat(compiled(x)), flat(module(x)), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_bfloat16(case):
    module, x = case
    expected = flat(module.eval()(x))
    y = flat(module.bfloat16()(x.bfloat16()))
    assert y.dtype == torch.bfloat16
    assert (y - expected).abs().mean() < 0.05 * expected.abs().mean()


@pytest.mark.parametrize("name", MIXERS)
def test_links_of_mixers_against_autograd(name):
    mixer = filled(MIXERS[name]()).double()
    for grid in (GRID, (5, 3)):
        assert torch.equal(mixer.links(grid).dense(), reads(mixer, grid, C))


@pytest.mark.parametrize("name", FAMILIES)
def test_links_of_blocks_against_autograd(name):
    model = built(name).double().eval()
    grid = (*model.grids()[0][:-2], *GRID)
    for stage, dim in zip(model.trunk.stages, model.channels, strict=True):
        for block in stage.blocks:
            assert torch.equal(block.links(grid).dense(), reads(block, grid, dim))


@pytest.mark.parametrize("name", MIXERS)
def test_mixers_keep_any_shape(name):
    mixer = filled(MIXERS[name]())
    for grid in ((4, 5), (1, 7), (6, 6), (9, 2)):
        x = torch.randn(2, *grid, C)
        y = mixer(x)
        assert y.shape == x.shape
        assert torch.isfinite(y).all()


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_models_take_any_size_and_keep_their_windows(name):
    model = built(name).eval()
    windows = [m.windows for m in model.modules() if hasattr(m, "windows")]
    for size in (SIZE, *OTHERS):
        x = picture(model, size)
        maps = model.features(x)
        for stage, (c, stride) in enumerate(zip(model.channels, model.strides, strict=True)):
            moments = model.grids()[stage][:-2]
            assert maps[stage].shape == (2, c, *moments, -(-size[0] // stride), -(-size[1] // stride))
        y = model(x)
        if isinstance(model, Backbone):
            assert [m.shape for m in y] == [m.shape for m in maps]
        else:
            assert y.shape == (2, 5)
            assert model.embed(x).shape == (2, model.channels[-1])
    assert [m.windows for m in model.modules() if hasattr(m, "windows")] == windows


@pytest.mark.parametrize("name", FAMILIES)
@torch.no_grad()
def test_save_and_open(name, tmp_path):
    model = built(name).eval()
    save(tmp_path / "model.safetensors", model, classes=list("abcde"))
    again, document = open_model(tmp_path / "model.safetensors")
    assert document["classes"] == list("abcde")
    assert (again.name, again.spec, again.size) == (model.name, model.spec, model.size)
    x = picture(model, OTHERS[0])
    assert torch.equal(flat(again(x)), flat(model(x)))


@pytest.mark.parametrize("name", ["iwin", "swin", "scalablevit", "video_iwin", "video_swin"])
def test_recomputed_stages_have_the_same_gradients(name):
    gradients = []
    for stages in ((), (0, 1)):
        model = built(name, checkpoint=stages, **({"dropout": 0.0} if name.startswith("video") else {})).train()
        model(picture(model)).square().sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for plain, recomputed in zip(*gradients, strict=True):
        torch.testing.assert_close(recomputed, plain)


@pytest.mark.parametrize("name", ["iwin", "swin", "scalablevit"])
def test_drop_path_acts_in_training_alone(name):
    model, plain = built(name, drop_path=0.9), built(name)
    x = picture(model, batch=8)
    plain.eval()
    assert torch.equal(model.eval()(x), plain(x))
    assert not torch.equal(model.train()(x), plain(x))
