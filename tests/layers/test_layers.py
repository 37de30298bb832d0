from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from vitrail.layers.drop_path import DropPath, drop_path_rates
from vitrail.layers.embed import ClipEmbed, PatchEmbed, PositionTable, TimeTable, resize_grid
from vitrail.layers.merge import AverageMerge, ConvMerge, DepthwiseMerge, PatchMerge
from vitrail.layers.relative import RelativeBias, relative_index, resize_table


@pytest.mark.parametrize("merge", [ConvMerge, DepthwiseMerge, AverageMerge, PatchMerge])
@pytest.mark.parametrize("grid", [(4, 6), (5, 7), (1, 2)])
def test_merges_halve_and_round_up(merge, grid):
    y = merge(4, 8)(torch.randn(2, *grid, 4))
    assert y.shape == (2, -(-grid[0] // 2), -(-grid[1] // 2), 8)


def test_conv_merge_reads_zeros_at_the_bottom_and_right():
    merge = ConvMerge(1, 1)
    torch.nn.init.ones_(merge.conv.weight)
    torch.nn.init.zeros_(merge.conv.bias)
    merge.norm = torch.nn.Identity()
    x = torch.arange(16.0).reshape(1, 4, 4, 1)
    whole = F.pad(x[0, ..., 0], (0, 1, 0, 1))
    expected = [[whole[i : i + 3, j : j + 3].sum() for j in (0, 2)] for i in (0, 2)]
    assert merge(x)[0, ..., 0].tolist() == expected


def test_patch_merge_puts_rows_before_columns():
    merge = PatchMerge(1, 4)
    merge.norm = torch.nn.Identity()
    merge.reduce.weight.data = torch.eye(4)
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    assert merge(x).flatten().tolist() == [1.0, 3.0, 2.0, 4.0]


def test_average_merge_counts_what_exists():
    merge = AverageMerge(1, 1)
    merge.norm = torch.nn.Identity()
    merge.reduce = torch.nn.Identity()
    x = torch.tensor([[1.0, 2.0, 3.0]]).reshape(1, 1, 3, 1)
    assert merge(x).flatten().tolist() == [1.5, 3.0]


def test_patches_pad_at_the_bottom_and_right():
    stem = PatchEmbed(1, 2, patch=4)
    stem.norm = torch.nn.Identity()
    x = torch.randn(1, 1, 5, 7)
    padded = F.pad(x, (0, 1, 0, 3))
    assert stem(x).shape == (1, 2, 2, 2)
    torch.testing.assert_close(stem(x), stem(padded))


def test_positions_are_added_where_they_stand_and_resized_elsewhere():
    table = PositionTable((3, 5), 2)
    x = torch.zeros(1, 3, 5, 2)
    assert torch.equal(table(x), table.table)
    assert table(torch.zeros(2, 4, 4, 2)).shape == (2, 4, 4, 2)
    ramp = torch.arange(4.0).reshape(1, 4, 1, 1)
    assert (resize_grid(ramp, (8, 1)).flatten().diff() > 0).all()


def test_clips_are_cut_in_time_too_and_padded_at_the_end_of_each_axis():
    stem = ClipEmbed(1, 2, (2, 4, 4))
    stem.norm = torch.nn.Identity()
    x = torch.randn(1, 1, 3, 5, 7)
    padded = F.pad(x, (0, 1, 0, 3, 0, 1))
    assert stem(x).shape == (1, 2, 2, 2, 2)
    torch.testing.assert_close(stem(x), stem(padded))
    patch = padded[0, 0, 2:4, :4, 4:]
    torch.testing.assert_close(
        stem(x)[0, 1, 0, 1], (stem.project.weight[:, 0] * patch).sum((1, 2, 3)) + stem.project.bias
    )


def test_moments_are_added_where_they_stand_and_between_them_elsewhere():
    times = TimeTable(4, 2)
    assert not times.table.any()
    with torch.no_grad():
        times.table += torch.tensor([0.0, 2.0, 4.0, 6.0])[:, None, None, None]
    assert times(torch.zeros(1, 4, 3, 5, 2))[0, :, 1, 2, 0].tolist() == [0.0, 2.0, 4.0, 6.0]
    assert times(torch.zeros(1, 2, 1, 1, 2))[0, :, 0, 0, 1].tolist() == [1.0, 5.0]
    assert times(torch.zeros(1, 8, 1, 1, 2)).flatten()[::2].tolist() == [0.0, 0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.0]


@pytest.mark.parametrize("inside", [(2, 3, 3), (3, 2, 3), (1, 2, 2)])
def test_a_clamped_window_takes_the_rows_of_its_offsets(inside):
    """Held against the rule read off one pair at a time; the released corner agrees where time alone is clamped."""
    size = (3, 3, 3)
    right, corner = (RelativeBias(size, 1, inside, corner=corner).index for corner in (False, True))
    places = [(t, h, w) for t in range(inside[0]) for h in range(inside[1]) for w in range(inside[2])]
    for p, a in enumerate(places):
        for q, b in enumerate(places):
            t, h, w = (x - y + 2 for x, y in zip(a, b, strict=True))
            assert right[p, q] == 25 * t + 5 * h + w
    assert torch.equal(right, corner) == (inside[1:] == size[1:])


def test_bias_tables_stretch_each_axis_of_their_own():
    rows = torch.arange(7.0)[:, None].expand(7, 7).reshape(49, 1)
    wide = resize_table(rows, (4, 4), (6, 6)).reshape(11, 11)
    torch.testing.assert_close(wide, wide[:, :1].expand(11, 11))
    assert (wide[:, 0].diff() > 0).all()
    assert resize_table(rows, (4, 4), (4, 4)) is rows


@pytest.mark.parametrize("new", [(3, 2, 4), (6, 2, 4), (6, 5, 3)])
def test_bias_tables_of_clips_stretch_along_time_in_lines(new):
    torch.manual_seed(0)
    old, heads = (3, 2, 4), 2
    table = torch.randn(5 * 3 * 7, heads, dtype=torch.float64)
    moments, *frame = (2 * m - 1 for m in new)
    found = resize_table(table, old, new).reshape(moments, *frame, heads)
    frames = torch.stack([resize_table(each, old[1:], new[1:]) for each in table.split(3 * 7)]).reshape(
        5, *frame, heads
    )
    for moment in range(moments):
        place = min(max((moment + 0.5) * 5 / moments - 0.5, 0), 4)
        below, above = math.floor(place), math.ceil(place)
        expected = frames[below] + (frames[above] - frames[below]) * (place - below)
        torch.testing.assert_close(found[moment], expected)


def test_relative_index_is_antisymmetric_about_its_middle():
    index = relative_index((2, 3, 2))
    rows = 3 * 5 * 3
    assert torch.equal(index + index.T, torch.full_like(index, rows - 1))
    assert (index.diagonal() == rows // 2).all()


def test_drop_path_keeps_the_mean():
    torch.manual_seed(0)
    drop = DropPath(0.25)
    y = drop(torch.ones(4000, 2, 2, 1))
    torch.testing.assert_close(y.unique(), torch.tensor([0.0, 1 / 0.75]))
    assert y.mean().item() == pytest.approx(1.0, abs=0.05)
    assert (y.flatten(1).std(1) == 0).all()
    with pytest.raises(ValueError, match="must be in"):
        DropPath(1.0)


def test_drop_path_rates_rise_in_even_steps():
    assert drop_path_rates(0.3, (1, 3)) == ((0.0,), (pytest.approx(0.1), pytest.approx(0.2), pytest.approx(0.3)))
    assert drop_path_rates(0.3, (1,)) == ((0.0,),)
