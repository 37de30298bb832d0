"""Mixers that look back: against dense masked attention, against autograd, and one token at a time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from oracle import reads
from vitrail.mixers import CausalAttention, CausalConv, CausalSum
from vitrail.mixers.causal_cache import Inputs, Keys

C, HEADS = 8, 2
LENGTHS = (1, 3, 4, 8, 13, 22)

MIXERS = {
    "conv": lambda: CausalConv(C, 3),
    "conv_of_one": lambda: CausalConv(C, 1),
    "full": lambda: CausalAttention(C, HEADS),
    "rope": lambda: CausalAttention(C, HEADS, rotate=True),
    "far": lambda: CausalAttention(C, HEADS, stride=4),
    "window": lambda: CausalAttention(C, HEADS, stride=4, window="stride"),
    "window_of_three": lambda: CausalAttention(C, HEADS, stride=4, window=3),
    "window_rope": lambda: CausalAttention(C, HEADS, stride=3, window=5, rotate=True),
    "window_sqrt": lambda: CausalAttention(C, HEADS, stride="sqrt", window="stride"),
    "sum": lambda: CausalSum(CausalAttention(C, HEADS, stride=4), CausalConv(C, 4)),
    "sum_sqrt": lambda: CausalSum(CausalAttention(C, HEADS, stride="sqrt"), CausalConv(C, 3)),
}


def made(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    mixer = MIXERS[name]().double().eval()
    for parameter in mixer.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return mixer


def turned(x: torch.Tensor) -> torch.Tensor:
    """RoPE by complex numbers: (B, h, N, D)."""
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    angles = torch.arange(x.shape[2]).double()[:, None] * 10000.0 ** (
        -torch.arange(x.shape[-1] // 2) / (x.shape[-1] / 2)
    )
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).flatten(-2)


def dense(mixer, x: torch.Tensor, length: int) -> torch.Tensor:
    """What a mixer means, with N x N masks: (B, N, C) -> (B, N, C)."""
    if isinstance(mixer, CausalSum):
        return dense(mixer.attention, x, length) + dense(mixer.conv, x, length)
    n = x.shape[1]
    if isinstance(mixer, CausalConv):
        y = mixer.bias.expand_as(x).clone()
        for i in range(n):
            for tap in range(mixer.kernel):
                j = i - (mixer.kernel - 1) + tap
                if j >= 0:
                    y[:, i] += x[:, j] * mixer.weight[:, 0, tap]
        return y
    stride = next(g for g in range(1, length + 1) if g * g >= length) if mixer.stride == "sqrt" else mixer.stride
    width = stride if mixer.window == "stride" else mixer.window
    qkv = x @ mixer.qkv.weight.T + mixer.qkv.bias
    q, k, v = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in qkv.split(C, -1))
    if mixer.rotate:
        q, k = turned(q), turned(k)
    logits = q @ k.transpose(-1, -2) * (C // HEADS) ** -0.5
    i, j = torch.arange(n)[:, None], torch.arange(n)[None]
    y = torch.zeros_like(v)
    for mask in [(j <= i) & ((i - j) % stride == 0), *([(j <= i) & (i - j < width)] if width else [])]:
        y = y + logits.masked_fill(~mask, float("-inf")).softmax(-1) @ v
    return y.transpose(1, 2).flatten(2) @ mixer.proj.weight.T + mixer.proj.bias


@pytest.mark.parametrize("name", sorted(MIXERS))
@torch.no_grad()
def test_against_dense_masked_attention(name):
    mixer = made(name)
    for n in LENGTHS:
        x = torch.randn(2, n, C, dtype=torch.float64)
        torch.testing.assert_close(mixer(x), dense(mixer, x, n))
        torch.testing.assert_close(mixer(x, length=30), dense(mixer, x, 30))


@pytest.mark.parametrize("name", sorted(MIXERS))
def test_links_against_autograd(name):
    mixer = made(name)
    for n in (1, 7, 12):
        assert torch.equal(mixer.links((n,)).dense(), reads(mixer, (n,), C))


@pytest.mark.parametrize("name", sorted(MIXERS))
@torch.no_grad()
def test_step_by_step_and_after_a_prompt(name):
    mixer = made(name)
    for n in LENGTHS:
        x = torch.randn(2, n, C, dtype=torch.float64)
        expected = mixer(x, length=24)
        for prompt in {0, n // 2, n - 1}:
            cache = mixer.cache(2, 24)
            if prompt:
                torch.testing.assert_close(mixer(x[:, :prompt], length=24, cache=cache), expected[:, :prompt])
            for t in range(prompt, n):
                torch.testing.assert_close(mixer.step(x[:, t], cache, t), expected[:, t])


def leaves(cache) -> list[Keys | Inputs]:
    return [leaf for part in cache.parts for leaf in leaves(part)] if hasattr(cache, "parts") else [cache]


@pytest.mark.parametrize("name", sorted(MIXERS))
@torch.no_grad()
def test_a_step_reads_what_it_says_and_no_more(name):
    """Every entry of the cache is spoilt in turn; those that show are the ones that were read."""
    mixer = made(name)
    x = torch.randn(1, 24, C, dtype=torch.float64)
    for t in (9, 14, 23):
        touched = own = 0
        probe = mixer.cache(1, 24)
        for number, leaf in enumerate(leaves(probe)):
            entries = [(i,) for i in range(leaf.tokens)] if isinstance(leaf, Inputs) else [
                (lane, place) for lane in range(leaf.count) for place in range(leaf.places)
            ]  # fmt: skip
            own += isinstance(leaf, Keys)  # its own key is written in the step itself
            for entry in entries:
                cache = mixer.cache(1, 24)
                mixer(x[:, :t], length=24, cache=cache)
                spoilt = leaves(cache)[number]
                for tensor in spoilt.tensors():
                    tensor[(0, *entry) if isinstance(leaf, Inputs) else (entry[0], 0, slice(None), entry[1])] = (
                        torch.nan
                    )
                touched += bool(mixer.step(x[:, t], cache, t).isnan().any())
        assert touched + own == probe.reads(t)


@pytest.mark.parametrize(
    ("name", "reads_at", "room"),
    [
        # of token 14 in a line of 23; G, W, K as above: t // G + 1 keys, W of the window, K - 1 inputs
        ("full", 15, 23),
        ("far", 4, 24),
        ("window", 4 + 4, 24 + 4),
        ("window_of_three", 4 + 3, 24 + 3),
        ("window_sqrt", 3 + 5, 25 + 5),
        ("sum", 4 + 3, 24 + 3),
        ("conv", 2, 2),
    ],
)
def test_what_is_read_and_held(name, reads_at, room):
    cache = made(name).cache(3, 23)
    assert cache.reads(14) == reads_at
    assert cache.tokens == room
    numbers = sum(tensor.numel() for tensor in cache.tensors())
    conv = {"sum": 3, "conv": 2}.get(name, 0)
    assert numbers == 3 * C * (2 * (room - conv) + conv)  # a key and a value for each, of an input itself


def test_a_lane_lies_together():
    cache = CausalAttention(C, HEADS, stride=4).cache(1, 23)
    k, v = cache.parts[0].read(13)
    assert k.shape == v.shape == (1, HEADS, 4, C // HEADS)
    assert k[0, 0].is_contiguous() and v[0, 1].is_contiguous()


def test_memory_of_a_long_line_is_not_its_square():
    """65 536 tokens: an N x N mask of booleans alone would be 4 GiB. Shapes only."""
    mixer = CausalAttention(C, HEADS, stride=256, window="stride").to("meta")
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            for tensor in out if isinstance(out, tuple | list) else [out]:
                largest = max(largest, tensor.numel() if isinstance(tensor, torch.Tensor) else 0)
            return out

    with torch.no_grad(), Watch():
        mixer(torch.empty(1, 65536, C, device="meta"))
    assert largest <= 65536 * 2 * 256 * HEADS  # logits of the near window, where a kernel writes them down


def test_convolution_is_pytorchs_own_on_a_padded_line():
    torch.manual_seed(0)
    conv = CausalConv(C, 5)
    x = torch.randn(2, 11, C)
    expected = F.conv1d(F.pad(x.transpose(1, 2), (4, 0)), conv.weight, conv.bias, groups=C).transpose(1, 2)
    torch.testing.assert_close(conv(x), expected)


def test_wrong_numbers_are_refused():
    with pytest.raises(ValueError, match="kernel=0"):
        CausalConv(C, 0)
    with pytest.raises(ValueError, match="heads=3 does not divide dim=8"):
        CausalAttention(C, 3)
    with pytest.raises(ValueError, match="heads of 3 channels: turning by place needs a multiple of 2"):
        CausalAttention(6, 2, rotate=True)
