"""The comparison with the golden cases can fail: each mistake that their README lists is made on purpose and caught."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

import test_golden as golden
from vitrail.layers import merge
from vitrail.layers.relative import relative_index
from vitrail.mixers import DepthwiseConv, Sum, WindowAttention
from vitrail.models.assemble import Network
from vitrail.weights import load_weights

HERE = Path(__file__).parent / "golden"


def attentions(model: Network) -> list[WindowAttention]:
    return [m for m in model.modules() if isinstance(m, WindowAttention)]


def no_interleave(model: Network, monkeypatch) -> None:
    for attention in attentions(model):
        attention.windows = replace(attention.windows, interleaved=False)


def no_conv(model: Network, monkeypatch) -> None:
    monkeypatch.setattr(Sum, "forward", lambda self, x: self.attention(x))


def padding_in_front(model: Network, monkeypatch) -> None:
    monkeypatch.setattr(merge, "_pad_end", lambda x, extra=0: F.pad(x, (0, 0, extra, 0, extra, 0)))


def no_shift_mask(model: Network, monkeypatch) -> None:
    for attention in attentions(model):
        attend = attention.attend
        attention.attend = lambda tokens, mask, attend=attend: attend(tokens, None)


def transposed_bias_index(model: Network, monkeypatch) -> None:
    for attention in attentions(model):
        attention.bias.index = attention.bias.index.T


def swapped_q_and_k(model: Network, monkeypatch) -> None:
    for attention in attentions(model):
        for tensor in (attention.qkv.weight, attention.qkv.bias):
            q, k, v = tensor.data.chunk(3)
            tensor.data = torch.cat([k, q, v])


def tanh_gelu(model: Network, monkeypatch) -> None:
    monkeypatch.setattr(F, "gelu", lambda x, approximate="none", gelu=F.gelu: gelu(x, approximate="tanh"))


def small_eps(model: Network, monkeypatch) -> None:
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-6


def other_heads(model: Network, monkeypatch) -> None:
    for attention in attentions(model):
        attention.heads, attention.scale = 1, attention.qkv.in_features**-0.5


def flipped_conv(model: Network, monkeypatch) -> None:
    for module in model.modules():
        if isinstance(module, DepthwiseConv):
            module.conv.weight.data[:, :, [0, 2]] = module.conv.weight.data[:, :, [2, 0]]


def corrected_bias_rows(model: Network, monkeypatch) -> None:
    for attention in attentions(model):
        attention.bias.index = relative_index(attention.bias.size, attention.bias.inside)


def no_shift_in_time(model: Network, monkeypatch) -> None:
    for attention in attentions(model):
        if attention.windows.shift:
            attention.windows = replace(attention.windows, shift=(0, *attention.windows.shift[1:]))


def no_time_embedding(model: Network, monkeypatch) -> None:
    model.trunk.stem.time = None


CASES = [
    (no_interleave, "iwin_cls/iwin_micro_64_w4"),
    (no_conv, "iwin_cls/iwin_micro_64_w4"),
    (padding_in_front, "iwin_cls/iwin_micro_64_w4"),
    (no_shift_mask, "swin_cls/swin_micro_64_w4"),
    (transposed_bias_index, "swin_cls/swin_micro_64_w4"),
    (swapped_q_and_k, "swin_cls/swin_micro_64_w4"),
    (swapped_q_and_k, "iwin_dense/iwin_det_97x133_w7"),
    (tanh_gelu, "swin_cls/swin_micro_64_w4"),
    (tanh_gelu, "scalablevit/scalablevit_micro_64"),
    (small_eps, "iwin_cls/iwin_micro_64_w4"),
    (small_eps, "swin_cls/swin_micro_64_w4"),
    (other_heads, "iwin_cls/iwin_micro_64_w4"),
    (flipped_conv, "iwin_cls/iwin_micro_64_w4"),
    (no_interleave, "iwin_video/iwin_video_p444_w4_48x64"),
    (no_time_embedding, "iwin_video/iwin_video_p444_w4_48x64"),
    (no_shift_in_time, "swin_video/swin_video_p244_w244_8f_40x56"),
    (corrected_bias_rows, "swin_video/swin_video_p244_w877_10f_56x64_tclamp"),
]


@pytest.mark.parametrize(("mistake", "case"), CASES, ids=lambda value: getattr(value, "__name__", value))
@torch.no_grad()
def test_mistakes_are_caught(mistake: Callable, case: str, monkeypatch, record_property):
    config = json.loads((HERE / f"{case}.config.json").read_text())
    model = golden.build(config)
    load_weights(model, golden.reference_state(HERE / f"{case}.keys.json", config["weight_scale"]), trained_as=model)
    expected = load_file(HERE / f"{case}.safetensors")
    x = golden.drawn(f"input:{config['name']}", config["inputs"][0]["shape"])
    golden.assert_agree(golden.outputs(model, x), expected, 2e-6)
    mistake(model, monkeypatch)
    found = golden.outputs(model, x)
    worst = max(
        ((found[name].double() - value.double()).abs().max() / max(1.0, value.abs().max().item())).item()
        for name, value in expected.items()
    )
    record_property("golden_mistake", f"{mistake.__name__} on {case.split('/')[1]}: {worst:.1e}")
    assert worst > 2e-6
