"""Sines, turns, times, gated MLPs and patches, number by number."""

from __future__ import annotations

import math

import pytest
import torch

from vitrail.layers.adaln import Modulation, modulate
from vitrail.layers.feedforward import SwiGLU, TanhMLP
from vitrail.layers.patches import Patches, unpatch
from vitrail.layers.places import sines, turn, turns
from vitrail.layers.rms import RMSNorm
from vitrail.layers.timestep import TimestepEmbed, sinusoids


@pytest.mark.parametrize("grid", [(1, 1), (2, 5), (4, 3)], ids=str)
def test_sines_tell_the_column_then_the_row(grid):
    table = sines(grid, 8)
    assert table.shape == (*grid, 8) and table.dtype == torch.float64
    for i in range(grid[0]):
        for j in range(grid[1]):
            for half, place in enumerate((j, i)):
                for k in range(2):
                    angle = place * 10000 ** (-k / 2)
                    assert table[i, j, 4 * half + k] == pytest.approx(math.sin(angle))
                    assert table[i, j, 4 * half + 2 + k] == pytest.approx(math.cos(angle))


def test_sines_of_a_larger_grid_go_on():
    assert torch.equal(sines((6, 7), 16)[:3, :4], sines((3, 4), 16))


def test_what_queries_and_keys_say_depends_on_their_distance_alone():
    q, k = torch.randn(2, 8, dtype=torch.float64)
    grid = (5, 6)
    everywhere = lambda v: turn(v.expand(30, 8), turns(grid, 8)).view(*grid, 8)  # noqa: E731
    logits = torch.einsum("ijc,klc->ijkl", everywhere(q), everywhere(k))
    for i, j, u, v in ((0, 0, 1, 2), (3, 3, 4, 5), (2, 1, 3, 3)):
        assert logits[i, j, u, v].item() == pytest.approx(logits[1, 2, 2, 4].item())
    assert logits[0, 0, 1, 2].item() != pytest.approx(logits[0, 0, 2, 1].item())
    torch.testing.assert_close(everywhere(q).norm(dim=-1), q.norm().expand(grid))


def test_turns_pair_by_pair():
    x = torch.randn(2, 12, 8, dtype=torch.float64)
    found = turn(x, turns((3, 4), 8))
    for token in range(12):
        for pair in range(4):
            place = divmod(token, 4)[pair // 2]
            z = complex(x[1, token, 2 * pair], x[1, token, 2 * pair + 1])
            z *= complex(math.cos(angle := place * 10000 ** (-(pair % 2) / 2)), math.sin(angle))
            assert found[1, token, 2 * pair : 2 * pair + 2].tolist() == pytest.approx([z.real, z.imag])
    assert turn(x.bfloat16(), turns((3, 4), 8)).dtype == torch.bfloat16


def test_turns_are_kept_between_calls_and_serve_training_after_inference():
    with torch.inference_mode():
        kept = turns((2, 9), 12)
    assert turns((2, 9), 12) is kept
    x = torch.randn(18, 12, requires_grad=True)
    turn(x, turns((2, 9), 12)).sum().backward()
    assert x.grad is not None


def test_odd_widths_are_refused():
    with pytest.raises(ValueError, match="heads of 6 channels"):
        turns((2, 2), 6)
    with pytest.raises(ValueError, match="dim=10: sines"):
        sines((2, 2), 10)
    with pytest.raises(ValueError, match="width=5 is odd"):
        sinusoids(torch.zeros(1), 5)


def test_cosines_come_before_sines_of_time():
    t = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    found = sinusoids(t, 6)
    for row, moment in zip(found, t, strict=True):
        angles = [moment * 10000 ** (-k / 3) for k in range(3)]
        assert row.tolist() == pytest.approx([*map(math.cos, angles), *map(math.sin, angles)], abs=1e-6)


def test_time_is_told_in_float32_whatever_the_model():
    embed = TimestepEmbed(8)
    near = torch.tensor([0.5000, 0.5001])
    apart = embed.bfloat16().fc1.weight.new_tensor(0)
    assert apart.dtype == torch.bfloat16 and embed(near).dtype == torch.bfloat16
    assert not torch.equal(*sinusoids(near, 256))
    assert torch.equal(*near.bfloat16())  # what would be lost


def test_gated_and_tanh_mlps_by_hand():
    x = torch.randn(3, 6, dtype=torch.float64)
    gated, tanh = SwiGLU(6, 4).double(), TanhMLP(6, 5).double()
    a, b = (x @ gated.w12.weight.T + gated.w12.bias).split(4, -1)
    expected = (a * torch.sigmoid(a) * b) @ gated.w3.weight.T + gated.w3.bias
    torch.testing.assert_close(gated(x), expected)
    h = x @ tanh.fc1.weight.T + tanh.fc1.bias
    h = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
    torch.testing.assert_close(tanh(x), h @ tanh.fc2.weight.T + tanh.fc2.bias)


def test_chunks_have_the_order_of_their_names():
    modulation = Modulation(3, ("shift", "scale", "gate"))
    condition = torch.randn(2, 3)
    assert all(not vector.any() for vector in modulation(condition).values())
    torch.nn.init.normal_(modulation.linear.weight)
    flat = torch.nn.functional.silu(condition) @ modulation.linear.weight.T
    for number, name in enumerate(("shift", "scale", "gate")):
        assert modulation(condition)[name].shape == (2, 1, 1, 3)
        torch.testing.assert_close(modulation(condition)[name][:, 0, 0], flat[:, 3 * number : 3 * number + 3])
    x = torch.randn(2, 4, 4, 3)
    torch.testing.assert_close(modulate(x, x, None), x * (1 + x))


@pytest.mark.parametrize("size", [(4, 6), (5, 3), (1, 7)], ids=str)
def test_patches_and_back(size):
    """With an identity for its map, a patch comes back where it was."""
    patches = Patches(3, 12, 2)
    with torch.no_grad():
        patches.project.bias.zero_()
        # from (C, p, p), as a convolution reads it, to (p, p, C), as `unpatch` writes it
        order = torch.arange(12).view(3, 2, 2).permute(1, 2, 0).flatten()
        patches.project.weight.copy_(torch.eye(12)[order].view(12, 3, 2, 2))
    x = torch.randn(2, 3, *size)
    tokens = patches(x)
    assert tokens.shape == (2, -(-size[0] // 2), -(-size[1] // 2), 12)
    torch.testing.assert_close(unpatch(tokens, 2, size), x)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rms_norms_statistics_are_float32s(dtype):
    """Squares of 300 overflow float16, and their mean over many loses all digits in bfloat16."""
    x = (torch.randn(4, 2048, generator=torch.Generator().manual_seed(0)) + 2) * 300
    norm = RMSNorm(2048, 1e-6)
    exact = x.to(dtype).double() / x.to(dtype).double().square().mean(-1, keepdim=True).sqrt()
    torch.testing.assert_close(norm(x.to(dtype)).double(), exact, rtol=1e-5, atol=1e-6)  # as under autocast
    found = norm.to(dtype)(x.to(dtype))
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), exact, rtol=2 * torch.finfo(dtype).eps, atol=1e-6)
