from __future__ import annotations

import torch
from torch import nn

from vitrail.heads.semantic_fpn import SemanticFPNHead
from vitrail.heads.upernet import BINS, PoolingPyramid, UperNetHead, resize

CHANNELS, STRIDES = (4, 6, 8, 10), (4, 8, 16, 32)
SIZES = ((19, 27), (10, 14), (5, 7), (3, 4))


def maps(channels=CHANNELS) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(2, c, *size) for c, size in zip(channels, SIZES, strict=True)]


def test_ragged_sizes_end_at_the_finest_map():
    assert UperNetHead(CHANNELS, 5, 8)(maps()).shape == (2, 5, 19, 27)
    assert SemanticFPNHead(6, STRIDES, 5, 8)(maps((6,) * 4)).shape == (2, 5, 19, 27)


def test_resizing_has_half_pixel_centres():
    """A ramp stays the same ramp inside, and its rim holds."""
    ramp = (torch.arange(8) + 0.5)[None, None, None].expand(1, 1, 8, 8)
    found = resize(ramp, (8, 16))[0, 0, 3]
    torch.testing.assert_close(found[1:-1], (torch.arange(1, 15) + 0.5) / 2)


def test_the_pooling_pyramid_sees_means_over_cells():
    pool = PoolingPyramid(3, 2).eval()
    x = torch.randn(1, 3, 12, 18)
    seen = {}
    for bins, conv in zip(BINS, pool.bins, strict=True):
        conv.conv.register_forward_pre_hook(lambda _, came, b=bins: seen.update({b: came[0]}))
    pool(x)
    for bins, came in seen.items():
        cells = x.unflatten(3, (bins, 18 // bins)).unflatten(2, (bins, 12 // bins)).mean((3, 5))
        torch.testing.assert_close(came, cells)
    assert sorted(seen) == [1, 2, 3, 6]


def test_semantic_fpn_convolves_each_level_down_to_the_finest():
    head = SemanticFPNHead(6, STRIDES, 5, 8)
    assert [len(level) for level in head.levels] == [1, 1, 2, 3]


def test_a_change_in_the_deepest_map_reaches_every_pixel_of_upernet():
    head = UperNetHead(CHANNELS, 5, 8).eval()
    before = head(maps())
    other = maps()
    other[3][1] += 1
    after = head(other)
    assert torch.equal(before[0], after[0])
    assert (before[1] != after[1]).any(0).all()


def test_dropout_takes_whole_channels():
    head = UperNetHead(CHANNELS, 5, 64, dropout=0.5).train()
    assert isinstance(head.drop, nn.Dropout2d)
