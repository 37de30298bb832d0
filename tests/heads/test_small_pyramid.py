"""Four maps out of one."""

from __future__ import annotations

import pytest
import torch

from vitrail.heads.small_pyramid import SmallPyramid

DEIT_S = 21_665_664  # parameters without its head, as timm counts them
# heads on Swin-T's channels, and what they lose where the last map has 384 instead of 768
CASCADE = 58_109_106 - 384 * 256
UPERNET = 32_421_164 - 4 * 384 * 512 - 9 * 384 * 512


def test_four_maps_on_a_ragged_grid_and_every_parameter_learns() -> None:
    pyramid = SmallPyramid(8)
    maps = pyramid(torch.randn(2, 8, 5, 7))
    assert [tuple(m.shape) for m in maps] == [(2, 2, 20, 28), (2, 4, 10, 14), (2, 8, 5, 7), (2, 8, 3, 4)]
    assert tuple(m.shape[1] for m in maps) == pyramid.channels
    sum(m.square().sum() for m in maps).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in pyramid.parameters())


def test_a_position_stays_where_it_is() -> None:
    """What grows at (2, 3) of the map changes there alone, at every scale."""
    pyramid, x = SmallPyramid(8), torch.randn(1, 8, 6, 8)
    y = x.clone()
    y[..., 2, 3] += 9.0
    for scale, one, other in zip((4, 2, 1, 0.5), pyramid(x), pyramid(y), strict=True):
        rows, columns = (one - other).abs().sum((0, 1)).nonzero().T
        assert {int((r + 0.5) / scale) for r in rows} <= {2, 3} and {int(c / scale) for c in columns} <= {2, 3}
        assert len(rows) == max(1, scale**2)


def test_swins_figures_for_deit_need_widths_that_halve() -> None:
    """Swin's tables print 80 M for Cascade Mask R-CNN and 52 M for UperNet on DeiT-S with deconvolutions."""
    parts = sum(p.numel() for p in SmallPyramid(384).parameters())
    assert round((DEIT_S + CASCADE + parts) / 1e6) == 80
    assert round((DEIT_S + UPERNET + parts) / 1e6) == 52
    same, more = 3 * (4 * 384 * 384 + 384), (384 - 96) + (384 - 192)  # and wider maps into FPN's first layers
    assert round((DEIT_S + CASCADE + same + more * 256) / 1e6) == 82
    assert round((DEIT_S + UPERNET + same + more * 512) / 1e6) == 54


def test_a_width_without_a_quarter_is_refused() -> None:
    with pytest.raises(ValueError, match="dim=6: a multiple of 4"):
        SmallPyramid(6)
