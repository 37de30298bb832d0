from __future__ import annotations

import pytest
import torch

import vitrail
from vitrail.mixers import WindowAttention
from vitrail.models.spec import override
from vitrail.models.swin_video import VARIANTS, resolve_windows

SMALL = {"dim": 8, "depths": (2, 2), "heads": (1, 2), "window": (2, 3, 4), "frames": 8}


def built(size: tuple[int, int] = (20, 28), **more) -> torch.nn.Module:
    torch.manual_seed(0)
    model = vitrail.create_model("video_swin_nano", 5, size, **{**SMALL, **more}).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


@pytest.mark.parametrize(
    ("frames", "size", "window", "expected"),
    [
        (32, (224, 224), (8, 7, 7), [((8, 7, 7), (4, 3, 3))] * 3 + [((8, 7, 7), (4, 0, 0))]),
        (32, (224, 224), (16, 7, 7), [((16, 7, 7), (0, 3, 3))] * 3 + [((16, 7, 7), (0, 0, 0))]),
        (
            10, (56, 64), (8, 7, 7),
            [((5, 7, 7), (0, 3, 3)), ((5, 7, 7), (0, 0, 3)), ((5, 4, 4), (0, 0, 0)), ((5, 2, 2), (0, 0, 0))],
        ),
    ],
)  # fmt: skip
def test_windows_and_shifts_follow_each_axis_as_in_the_release(frames, size, window, expected):
    spec = override(VARIANTS["video_swin_tiny"], frames=frames, window=window)
    assert resolve_windows(spec, size) == tuple(expected)


def test_odd_blocks_shift_where_an_axis_does():
    model = vitrail.create_model("video_swin_nano", size=(224, 224))
    shifts = [m.windows.shift for m in model.trunk.stages[3].modules() if isinstance(m, WindowAttention)]
    assert shifts == [None, (4, 0, 0)]
    still = vitrail.create_model("video_swin_nano", size=(224, 224), frames=16)
    assert not any(m.windows.shift for m in still.trunk.stages[3].modules() if isinstance(m, WindowAttention))


@pytest.mark.parametrize(("size", "same"), [((20, 28), True), ((20, 20), False), ((16, 32), False)])
@torch.no_grad()
def test_corrected_rows_matter_where_a_frame_is_smaller_than_its_window(size, same):
    """Windows of 9 x 3 x 4 on 4 moments: stage two is 3 x 4, 3 x 3 or 2 x 4 tokens."""
    released, corrected = (built(size, window=(9, 3, 4), bias=bias) for bias in ("released", "corrected"))
    x = torch.randn(1, 3, 8, *size, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(released(x), corrected(x), atol=1e-5) == same


@torch.no_grad()
def test_clips_of_any_length():
    model = built()
    for frames in (1, 3, 8, 19):
        x = torch.randn(2, 3, frames, 17, 30)
        moments = -(-frames // 2)
        assert [m.shape for m in model.features(x)] == [(2, 8, moments, 5, 8), (2, 16, moments, 3, 4)]
        assert torch.isfinite(model(x)).all()


@torch.no_grad()
def test_time_has_an_order():
    model, x = built(), torch.randn(1, 3, 8, 20, 28)
    assert not torch.allclose(model(x.flip(2)), model(x), atol=1e-2)


def test_what_has_no_weight_decay():
    assert len(vitrail.create_model("video_swin_nano").no_weight_decay()) == 12
