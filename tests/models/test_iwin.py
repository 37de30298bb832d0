from __future__ import annotations

import pytest
import torch

import vitrail
from vitrail.errors import InputError
from vitrail.mixers import DepthwiseConv
from vitrail.models.iwin import VARIANTS, conv_stages, resolve_windows
from vitrail.models.spec import override, stage_grids


@pytest.mark.parametrize(
    ("size", "window", "windows", "convs"),
    [
        ((224, 224), None, [7, 7, 7, 7], (0, 1, 2)),
        ((384, 384), None, [12, 12, 12, 12], (0, 1, 2)),
        ((512, 512), None, [16, 16, 16, 16], (0, 1, 2)),
        ((1024, 1024), None, [16, 16, 16, 16], (0, 1, 2, 3)),  # stage 4 is larger than its window
        ((64, 64), 4, [4, 4, 4, 2], (0, 1)),
        ((128, 128), 2, [2, 2, 2, 2], (0, 1, 2, 3)),
        ((64, 128), 4, [4, 4, 4, 2], (0, 1, 2, 3)),  # the shorter side clamps both, the longer decides the convolution
        ((96, 96), (6, 6, 3, 3), [6, 6, 3, 3], (0, 1, 2)),
    ],
)
def test_windows_and_convolutions_follow_the_size_as_in_the_release(size, window, windows, convs):
    spec = override(VARIANTS["iwin_tiny"], window=window)
    resolved = resolve_windows(spec, size)
    assert resolved == tuple((m, m) for m in windows)
    assert conv_stages(spec, stage_grids(size, 4), resolved) == convs


def test_dense_backbones_never_clamp_and_have_no_convolution_in_the_last_stage():
    model = vitrail.create_model("dense_iwin_nano", size=(32, 32))
    assert {m.windows.size for m in model.modules() if hasattr(m, "windows")} == {(7, 7)}
    has_conv = [any(isinstance(m, DepthwiseConv) for m in stage.modules()) for stage in model.trunk.stages]
    assert has_conv == [True, True, True, False]


@pytest.mark.parametrize("size", [224, 384, 512])
def test_dense_windows_do_not_follow_the_size(size):
    """The 12 and 16 of the larger pictures are classification's; a 224 classifier lends its trunk at every size."""
    assert vitrail.describe("dense_iwin_nano", size=size)["stages"][0]["windows"] == [[7, 7]]


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("side", [64, 128, 224])
def test_reach_takes_the_smallest_windows_of_the_corrected_theorem(kernel, side):
    """Two parallel blocks are global exactly when K >= 2·side/M - 1, on grids that windows divide."""
    spec = override(VARIANTS["iwin_nano"], window="reach", kernels=(kernel,) * 4)
    for (grid, _), (window, _) in zip(stage_grids((side, side), 4), resolve_windows(spec, (side, side)), strict=True):
        smallest = next(m for m in range(1, grid + 1) if grid % m == 0 and kernel >= 2 * grid / m - 1)
        assert window <= smallest
        if grid % window == 0 and kernel - 1 < grid - 1:  # less may do for a ragged end, or two convolutions alone
            assert window == smallest


def test_reach_prints_what_it_costs(capsys):
    model = vitrail.create_model("iwin_nano", size=(64, 64), window="reach")
    line = capsys.readouterr().err
    assert line.startswith("iwin_nano at 64x64, window='reach': 8x8 4x4 2x2 1x1 instead of 7x7 7x7 4x4 2x2;")
    assert "G multiply-adds" in line
    for stage, grid in zip(model.trunk.stages, stage_grids((64, 64), 4), strict=True):
        first, second = stage.blocks[:2]
        assert first.links(grid).then(second.links(grid)).everywhere


def test_separate_reads_the_block_input_without_its_norm():
    model = vitrail.create_model("iwin_nano", size=(64, 64), structure="separate")
    block = model.trunk.stages[0].blocks[0]
    x = torch.randn(1, 16, 16, 16)
    attention = block.mix.body.attention
    expected = x + attention.mixer(attention.norm(x)) + block.mix.body.conv(x)
    torch.testing.assert_close(block.mix(x), expected)


def test_serial_convolves_before_it_attends():
    model = vitrail.create_model("iwin_nano", size=(64, 64), structure="serial")
    block = model.trunk.stages[0].blocks[0]
    assert list(dict(block.named_children())) == ["local", "mix", "mlp"]
    more = vitrail.describe("iwin_nano", size=(64, 64))["parameters"]
    serial = vitrail.describe("iwin_nano", size=(64, 64), structure="serial")["parameters"]
    assert serial - more == 2 * (2 * 16 + 2 * 32)  # a norm more in each block with a convolution


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"attention": "none", "structure": "serial"}, "structure='parallel'"),
        ({"attention": "none", "conv_stages": (0,)}, "a convolution in every stage"),
        ({"heads": (1, 2)}, "heads=\\(1, 2\\) has 2 entries; 4 stages need 4"),
        ({"heads": (1, 2, 4, 7)}, "iwin_nano: heads=7 does not divide dim=128; divisors near 7 are 4 and 8"),
        ({"kernels": (4, 3, 3, 3)}, "kernel=4 is even"),
        ({"attention": "none", "window": "reach"}, "no windows to choose"),
        (
            {"attention": "block", "conv_stages": (), "depths": (2, 2, 2, 2), "window": (3, 3)},
            "one number, or one for each",
        ),
        ({"checkpoint": (7,)}, "this pyramid has 0 to 3"),
        ({"drop_path": 1.5}, "drop_path=1.5: Input should be less than 1"),
        ({"drop_path": -0.5}, "drop_path=-0.5"),
        ({"in_channels": -1}, "in_channels=-1"),
        ({"dim": -16}, "dim=-16"),
        ({"mlp_ratio": -1}, "mlp_ratio=-1"),
        ({"depths": (2, -2, 6, 2)}, "depths=-2"),
        ({"kernels": (0, 3, 3, 3)}, "kernels=0"),
        ({"conv_stages": (9,)}, "conv_stages=\\(9,\\) names stages from 0 to 3"),
        ({"window": 0}, "sides are 1 or more"),
    ],
)
def test_impossible_specs_get_one_line(overrides, message):
    with pytest.raises(InputError, match=message) as caught:
        vitrail.create_model("iwin_nano", **overrides)
    assert "\n" not in str(caught.value)
